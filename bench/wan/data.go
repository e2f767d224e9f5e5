package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"replicator/bench/clinical"
)

const sourceDB = "clinic"

// load fills the source with the clinical database. Rows depend on the scale only.
func load(ctx context.Context, s *site, scale float64) error {
	if err := s.createDatabase(ctx, sourceDB); err != nil {
		return err
	}
	if err := clinical.Load(ctx, s.SocketDSN(sourceDB), clinical.Options{Scale: scale, Seed: 1, Canary: "~"}); err != nil {
		return err
	}
	if err := s.exec(ctx, sourceDB, dropExclusion); err != nil {
		return fmt.Errorf("drop the %s: %w", exclusion, err)
	}
	return s.exec(ctx, sourceDB, "VACUUM (FREEZE, ANALYZE)") // hint bits are nobody's work
}

// A table with an exclusion constraint makes pgcopydb 0.10 restore its primary key twice and fail.
// The table is small; without the constraint it can take part, and so nobody gets it.
const (
	exclusion     = "exclusion constraint emergency.one_visit_a_bay"
	dropExclusion = "ALTER TABLE emergency.bay_occupancy DROP CONSTRAINT one_visit_a_bay"
)

// state is what has to be equal at the end: rows by table, and how many indexes and constraints.
// Unlogged tables are left out, because logical replication cannot carry them, and materialized
// views, whose rows a tool may leave to be refreshed.
type state struct {
	rows        map[string]string // by table: count and hash
	indexes     string
	constraints string
}

const (
	tablesSQL = `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND c.relpersistence = 'p'
		AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'replicator') ORDER BY 1`
	indexesSQL = `SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE i.indisvalid AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
		AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'replicator')`
	constraintsSQL = `SELECT count(*) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE k.contype <> 't' AND c.relpersistence = 'p'
		AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'replicator')`
)

// readState hashes every row's text; a sum does not depend on the rows' order.
func readState(ctx context.Context, s *site, db string) (st state, err error) {
	c, err := s.open(ctx, db)
	if err != nil {
		return st, err
	}
	defer c.Close()
	tables, err := c.Query(ctx, tablesSQL)
	if err != nil {
		return st, fmt.Errorf("list tables: %w", err)
	}
	st.rows = map[string]string{}
	for _, t := range tables {
		row, err := c.Row(ctx, "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM ONLY "+t[0]+" t")
		if err != nil {
			return st, fmt.Errorf("hash %s: %w", t[0], err)
		}
		st.rows[t[0]] = strings.Join(row, " rows, hash ")
	}
	if st.indexes, err = c.Value(ctx, indexesSQL); err != nil {
		return st, fmt.Errorf("count indexes: %w", err)
	}
	if st.constraints, err = c.Value(ctx, constraintsSQL); err != nil {
		return st, fmt.Errorf("count constraints: %w", err)
	}
	return st, nil
}

// differs says in what got is not as want; bare looks at the rows only.
func (want state) differs(got state, bare bool) error {
	var diff []string
	for _, t := range slices.Sorted(maps.Keys(want.rows)) {
		if have := got.rows[t]; have != want.rows[t] {
			diff = append(diff, fmt.Sprintf("%s: %q and not %q", t, have, want.rows[t]))
		}
	}
	if len(got.rows) != len(want.rows) {
		diff = append(diff, fmt.Sprintf("%d tables and not %d", len(got.rows), len(want.rows)))
	}
	if !bare && got.indexes != want.indexes {
		diff = append(diff, fmt.Sprintf("%s indexes and not %s", got.indexes, want.indexes))
	}
	if !bare && got.constraints != want.constraints {
		diff = append(diff, fmt.Sprintf("%s constraints and not %s", got.constraints, want.constraints))
	}
	if len(diff) > 0 {
		return fmt.Errorf("the target has %s", strings.Join(diff, "; "))
	}
	return nil
}

// rowBytes is the size of all rows as COPY gives them, in a format.
func rowBytes(ctx context.Context, s *site, db, format string) (int64, error) {
	c, err := s.open(ctx, db)
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
