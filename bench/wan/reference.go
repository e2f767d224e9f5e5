package main

import (
	"context"
	"fmt"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"replicator/bench/measure"
)

// reference is what the wire allows to whoever compresses rows as they are and builds nothing.
func reference() subject {
	return subject{
		name: "COPY | zstd -3 | COPY", role: measure.Reference, bare: true,
		how:     "psql at both sites, binary, two tables at a time, the largest first; no indexes, no constraints",
		prepare: schemaOnly, move: copyTables,
	}
}

// schemaOnly makes the tables.
func schemaOnly(ctx context.Context, m *move) error {
	schema := filepath.Join(m.scratch, "schema.dump")
	if err := m.pipeline(ctx, nil, m.dumpHere("-s", "-f", schema)); err != nil {
		return err
	}
	return m.pipeline(ctx, nil, m.restore("--section=pre-data", schema))
}

const (
	copyColumnsSQL = `SELECT c.oid::regclass::text, (SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
		ORDER BY pg_relation_size(c.oid) DESC`
	copyJobs = 2
)

func copyTables(ctx context.Context, m *move) error {
	c, err := m.source.open(ctx, sourceDB)
	if err != nil {
		return err
	}
	defer c.Close()
	tables, err := c.Query(ctx, copyColumnsSQL)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(copyJobs)
	for _, t := range tables {
		g.Go(func() error { return m.copyTable(ctx, t[0]+" ("+t[1]+")") })
	}
	return g.Wait()
}

// textOnly is the table whose regclass column would arrive as a number that means nothing there.
const textOnly = "record.retention_policy"

func (m *move) copyTable(ctx context.Context, table string) error {
	format := "binary"
	if len(table) > len(textOnly) && table[:len(textOnly)] == textOnly {
		format = "text"
	}
	source, target := m.source, m.target
	return m.pipeline(ctx, m.link,
		at(source.ns, m.client("psql"), "-Xqc", "COPY "+table+" TO STDOUT (FORMAT "+format+")", "-d", source.SocketDSN(sourceDB)),
		at(source.ns, "zstd", "-3", "-q", "-c"),
		at(target.ns, "zstd", "-d", "-q", "-c"),
		at(target.ns, m.client("psql"), "-Xqc", "COPY "+table+" FROM STDIN (FORMAT "+format+")", "-v", "ON_ERROR_STOP=1", "-d", target.SocketDSN(m.db)))
}
