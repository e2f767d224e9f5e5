package peer

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// State is what has to be equal at the end: rows by table, and how many indexes and constraints.
// Unlogged tables are left out, because logical replication cannot carry them, and materialized
// views, whose rows a tool may leave to be refreshed. So are checks that are not valid: making one
// costs nothing, and replicator leaves it to the catch-up, since the source's rows may break it.
type State struct {
	Rows        map[string]string // by table: count and hash
	Indexes     string
	Constraints string
}

// own is what no tool moves: the servers' schemas, and those of replicator.
const own = "('pg_catalog', 'information_schema', 'replicator')"

const (
	tablesSQL = `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ` + own + ` ORDER BY 1`
	indexesSQL = `SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE i.indisvalid AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname NOT IN ` + own
	constraintsSQL = `SELECT count(*) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE k.contype <> 't' AND (k.convalidated OR k.contype <> 'c') AND c.relpersistence = 'p' AND n.nspname NOT IN ` + own
)

// ReadState hashes every row's text; a sum does not depend on the rows' order.
func ReadState(ctx context.Context, s *Server, db string) (st State, err error) {
	c, err := s.Open(ctx, db)
	if err != nil {
		return st, err
	}
	defer c.Close()
	tables, err := c.Query(ctx, tablesSQL)
	if err != nil {
		return st, fmt.Errorf("list tables: %w", err)
	}
	st.Rows = map[string]string{}
	for _, t := range tables {
		row, err := c.Row(ctx, "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM ONLY "+t[0]+" t")
		if err != nil {
			return st, fmt.Errorf("hash %s: %w", t[0], err)
		}
		st.Rows[t[0]] = strings.Join(row, " rows, hash ")
	}
	if st.Indexes, err = c.Value(ctx, indexesSQL); err != nil {
		return st, fmt.Errorf("count indexes: %w", err)
	}
	if st.Constraints, err = c.Value(ctx, constraintsSQL); err != nil {
		return st, fmt.Errorf("count constraints: %w", err)
	}
	return st, nil
}

// Differs says in what got is not as want; bare looks at the rows only.
func (want State) Differs(got State, bare bool) error {
	var diff []string
	for _, t := range slices.Sorted(maps.Keys(want.Rows)) {
		if have := got.Rows[t]; have != want.Rows[t] {
			diff = append(diff, fmt.Sprintf("%s: %q and not %q", t, have, want.Rows[t]))
		}
	}
	if len(got.Rows) != len(want.Rows) {
		diff = append(diff, fmt.Sprintf("%d tables and not %d", len(got.Rows), len(want.Rows)))
	}
	if !bare && got.Indexes != want.Indexes {
		diff = append(diff, fmt.Sprintf("%s indexes and not %s", got.Indexes, want.Indexes))
	}
	if !bare && got.Constraints != want.Constraints {
		diff = append(diff, fmt.Sprintf("%s constraints and not %s", got.Constraints, want.Constraints))
	}
	if len(diff) > 0 {
		return fmt.Errorf("the target has %s", strings.Join(diff, "; "))
	}
	return nil
}

// Same compares two databases, which must be at rest.
func Same(ctx context.Context, source *Server, from string, target *Server, to string) error {
	want, err := ReadState(ctx, source, from)
	if err != nil {
		return err
	}
	got, err := ReadState(ctx, target, to)
	if err != nil {
		return err
	}
	return want.Differs(got, false)
}

// RowBytes is the size of all rows as COPY gives them, in a format.
func RowBytes(ctx context.Context, s *Server, db, format string) (int64, error) {
	c, err := s.Open(ctx, db)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	tables, err := c.Query(ctx, tablesSQL)
	if err != nil {
		return 0, fmt.Errorf("list tables: %w", err)
	}
	var n counter
	for _, t := range tables {
		if _, err := c.CopyTo(ctx, &n, "COPY "+t[0]+" TO STDOUT (FORMAT "+format+")"); err != nil {
			return 0, fmt.Errorf("read %s: %w", t[0], err)
		}
	}
	return int64(n), nil
}

// counter counts what is written to it.
type counter int64

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}

var _ io.Writer = (*counter)(nil)
