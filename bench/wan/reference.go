package main

import (
	"context"

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
	s, err := m.Schema(ctx)
	if err == nil {
		err = s.Before(ctx)
	}
	return err
}

const copyJobs = 2

func copyTables(ctx context.Context, m *move) error {
	return m.CopyTables(ctx, copyJobs, zstd, unzstd)
}
