package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// subscription is the name of what native replication needs, on both servers.
const subscription = "wan_bench"

// subscribe lets PostgreSQL's own logical replication copy the tables.
func subscribe(ctx context.Context, m *move, indexesFirst bool) error {
	s := postData{m: m, archive: filepath.Join(m.scratch, "schema.dump")}
	err := m.run(ctx, m.target.ns, m.client("pg_dump"), "-Fc", "-s", "--no-publications", "-f", s.archive, "-d", m.sourceDSN)
	if err == nil {
		err = m.pipeline(ctx, nil, m.restore("--section=pre-data", s.archive))
	}
	if err == nil && indexesFirst {
		err = s.restore(ctx, "early", func(entry string) bool { return !isCheck(entry) })
	}
	if err == nil {
		err = m.connect(ctx)
	}
	if err != nil {
		return err
	}
	return s.restore(ctx, "late", func(entry string) bool { return isCheck(entry) || !indexesFirst })
}

// isCheck tells a CHECK constraint that is restored by itself: one that is NOT VALID, which the
// rows, as they come, need not satisfy.
func isCheck(entry string) bool { return strings.Contains(entry, " CHECK CONSTRAINT ") }

// postData restores the part of a schema that comes after the rows, or a selection of it.
type postData struct {
	m       *move
	archive string
}

func (p postData) restore(ctx context.Context, name string, chosen func(entry string) bool) error {
	list, err := exec.CommandContext(ctx, p.m.client("pg_restore"), "-l", "--section=post-data", p.archive).Output()
	if err != nil {
		return fmt.Errorf("list what comes after the rows: %w", err)
	}
	var some bytes.Buffer
	for entry := range strings.Lines(string(list)) {
		if !strings.HasPrefix(entry, ";") && chosen(entry) {
			some.WriteString(entry)
		}
	}
	path := filepath.Join(p.m.scratch, name+".list")
	if err := os.WriteFile(path, some.Bytes(), 0o644); err != nil {
		return err
	}
	return p.m.pipeline(ctx, nil, p.m.restore("-j2", "--section=post-data", "-L", path, p.archive))
}

// connect makes publication and subscription and returns when every table is ready.
func (m *move) connect(ctx context.Context) error {
	if err := m.source.exec(ctx, sourceDB, "CREATE PUBLICATION "+subscription+" FOR ALL TABLES"); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	err := m.target.exec(ctx, m.db, "CREATE SUBSCRIPTION "+subscription+" CONNECTION '"+m.sourceDSN+"' PUBLICATION "+subscription)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	c, err := m.target.open(ctx, m.db)
	if err != nil {
		return err
	}
	defer c.Close()
	return until(ctx, func() (bool, error) {
		row, err := c.Row(ctx, `SELECT (SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'),
			(SELECT sync_error_count + apply_error_count FROM pg_stat_subscription_stats)`)
		if err == nil && row[1] != "0" {
			err = errors.New("the subscription failed: see the target's log")
		}
		return err == nil && row[0] == "0", err
	})
}

// poll is how often a server is asked whether it has come so far.
const poll = 100 * time.Millisecond

// until asks until the answer is yes.
func until(ctx context.Context, yes func() (bool, error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if ok, err := yes(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unsubscribe drops the subscription with its slot on the source, and the publication.
func unsubscribe(ctx context.Context, m *move) error {
	c, err := m.target.open(ctx, m.db)
	if err != nil {
		return err
	}
	defer c.Close()
	n, err := c.Value(ctx, "SELECT count(*) FROM pg_subscription WHERE subname = $1", subscription)
	if err == nil && n == "1" {
		err = c.Exec(ctx, "DROP SUBSCRIPTION "+subscription)
	}
	return errors.Join(err, m.source.exec(ctx, sourceDB, "DROP PUBLICATION IF EXISTS "+subscription))
}
