package peer

import (
	"context"
	"errors"
	"fmt"
)

// Subscription is the name of what native replication needs, on both servers.
const Subscription = "bench_native"

// Subscribe lets PostgreSQL's own logical replication copy the tables, with the indexes before the
// rows or after them.
func (m *Move) Subscribe(ctx context.Context, indexesFirst bool) error {
	s, err := m.Schema(ctx)
	if err == nil {
		err = s.Before(ctx)
	}
	if err == nil && indexesFirst {
		err = s.After(ctx, "early", func(entry string) bool { return !IsCheck(entry) })
	}
	if err == nil {
		err = m.connect(ctx)
	}
	if err != nil {
		return err
	}
	return s.After(ctx, "late", func(entry string) bool { return IsCheck(entry) || !indexesFirst })
}

// connect makes publication and subscription and returns when every table is ready.
func (m *Move) connect(ctx context.Context) error {
	if err := m.Source.Exec(ctx, m.From, "CREATE PUBLICATION "+Subscription+" FOR ALL TABLES"); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	err := m.Target.Exec(ctx, m.To, "CREATE SUBSCRIPTION "+Subscription+" CONNECTION '"+m.SourceDSN+"' PUBLICATION "+Subscription)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	c, err := m.Target.Open(ctx, m.To)
	if err != nil {
		return err
	}
	defer c.Close()
	return Until(ctx, Poll, func() (bool, error) {
		row, err := c.Row(ctx, `SELECT (SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'),
			(SELECT sync_error_count + apply_error_count FROM pg_stat_subscription_stats WHERE subname = $1)`, Subscription)
		if err == nil && row[1] != "0" {
			err = fmt.Errorf("the subscription failed: %s", LogTail(m.Target))
		}
		return err == nil && row[0] == "0", err
	})
}

// Unsubscribe drops the subscription with its slot on the source, and the publication.
func (m *Move) Unsubscribe(ctx context.Context) error {
	c, err := m.Target.Open(ctx, m.To)
	if err != nil {
		return err
	}
	defer c.Close()
	n, err := c.Value(ctx, "SELECT count(*) FROM pg_subscription WHERE subname = $1", Subscription)
	if err == nil && n != "0" {
		err = c.Exec(ctx, "DROP SUBSCRIPTION "+Subscription)
	}
	return errors.Join(err, m.Source.Exec(ctx, m.From, "DROP PUBLICATION IF EXISTS "+Subscription))
}
