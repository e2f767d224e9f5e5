package peer

import (
	"context"
	"fmt"
	"strings"

	"replicator/replicator/pg"
)

// Rest is what else a database needs before anybody may work with it: the values of its sequences,
// and statistics of its tables.
type Rest struct {
	Sequences  string // all of them, with their values
	Statistics string // how many tables have any
}

const (
	sequencesSQL  = `SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL AND schemaname NOT IN ` + own + ` ORDER BY 1, 2`
	statisticsSQL = `SELECT count(DISTINCT starelid) FROM pg_statistic s JOIN pg_class c ON c.oid = s.starelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ` + own
)

// ReadRest looks at a database.
func ReadRest(ctx context.Context, s *Server, db string) (r Rest, err error) {
	c, err := s.Open(ctx, db)
	if err != nil {
		return r, err
	}
	defer c.Close()
	all, err := c.Query(ctx, sequencesSQL)
	if err != nil {
		return r, fmt.Errorf("list sequences: %w", err)
	}
	for _, s := range all {
		r.Sequences += strings.Join(s, " ") + "\n"
	}
	if r.Statistics, err = c.Value(ctx, statisticsSQL); err != nil {
		return r, fmt.Errorf("count statistics: %w", err)
	}
	return r, nil
}

// Differs says whether what got has is missing something.
func (want Rest) Differs(got Rest) error {
	if want.Sequences != got.Sequences {
		return fmt.Errorf("the target's sequences stand at\n%s and not at\n%s", got.Sequences, want.Sequences)
	}
	if want.Statistics != got.Statistics {
		return fmt.Errorf("the target has statistics of %s tables and not of %s", got.Statistics, want.Statistics)
	}
	return nil
}

// CarrySequences sets the target's sequences, for ways that leave that to whoever opens the target.
func (m *Move) CarrySequences(ctx context.Context) error {
	c, err := m.Source.Open(ctx, m.From)
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := c.Query(ctx, sequencesSQL)
	if err != nil {
		return fmt.Errorf("list sequences: %w", err)
	}
	var set strings.Builder
	for _, s := range all {
		fmt.Fprintf(&set, "SELECT setval(%s, %s);", pg.Literal(pg.Ident(s[0])+"."+pg.Ident(s[1])), s[2])
	}
	return m.Target.Exec(ctx, m.To, set.String())
}

// Analyze collects statistics in two sessions, for ways that do not.
func (m *Move) Analyze(ctx context.Context) error {
	return m.Run(ctx, m.ToPlace, m.Target.Client("vacuumdb"), "-q", "-Z", "-j2", "-d", m.TargetDSN())
}
