package peer

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

const copyColumnsSQL = `SELECT c.oid::regclass::text, (SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '')
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ` + own + `
	ORDER BY pg_relation_size(c.oid) DESC`

// CopyTables copies all rows by psql at both sites, jobs tables at a time, the largest first. pack and
// unpack are programs that the bytes pass at either site; there may be none.
func (m *Move) CopyTables(ctx context.Context, jobs int, pack, unpack []string) error {
	c, err := m.Source.Open(ctx, m.From)
	if err != nil {
		return err
	}
	defer c.Close()
	tables, err := c.Query(ctx, copyColumnsSQL)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, t := range tables {
		g.Go(func() error { return m.copyTable(ctx, t[0], t[1], pack, unpack) })
	}
	return g.Wait()
}

// textOnly is the table whose regclass column would arrive as a number that means nothing there.
const textOnly = "record.retention_policy"

func (m *Move) copyTable(ctx context.Context, table, columns string, pack, unpack []string) error {
	format := "binary"
	if table == textOnly {
		format = "text"
	}
	what := fmt.Sprintf("COPY %s (%s) %%s (FORMAT %s)", table, columns, format)
	stages := []Stage{At(m.FromPlace, m.Source.Client("psql"), "-Xqc", fmt.Sprintf(what, "TO STDOUT"), "-d", m.Source.SocketDSN(m.From))}
	if pack != nil {
		stages = append(stages, At(m.FromPlace, pack...), At(m.ToPlace, unpack...))
	}
	stages = append(stages, At(m.ToPlace, m.Target.Client("psql"), "-Xqc", fmt.Sprintf(what, "FROM STDIN"), "-v", "ON_ERROR_STOP=1", "-d", m.TargetDSN()))
	return m.Pipeline(ctx, stages...)
}
