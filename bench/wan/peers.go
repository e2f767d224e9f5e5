package main

import (
	"context"
	"os/exec"

	"replicator/bench/measure"
	"replicator/bench/peer"
)

// peers are the tools that people use. Each runs at the site where its users would run it, and in
// the forms that are common; the best form is the one to beat.
func peers() []subject {
	all := []subject{
		{
			name: "pg_dump | pg_restore", role: measure.Peer,
			how:  "both at the target's site, pg_dump -Fc -Z0 reads over the link",
			move: dumpFromTarget,
		},
		{
			name: "pg_dump | ssh | pg_restore", role: measure.Peer,
			how:  "pg_dump -Fc at the source's site, its output through a TCP connection in place of ssh, pg_restore at the target's",
			move: dumpThroughPipe,
		},
		{
			name: "pg_dump | zstd | ssh | pg_restore", role: measure.Peer,
			how:  "the same with -Z0 and zstd -3 instead of zlib",
			move: dumpThroughZstd,
		},
		{
			name: "native, indexes after", role: measure.Peer,
			how:  "CREATE SUBSCRIPTION, 4 sync workers, all tables ready; then pg_restore -j2 --section=post-data",
			move: func(ctx context.Context, m *move) error { return m.Subscribe(ctx, false) }, clean: unsubscribe,
		},
		{
			name: "native, indexes before", role: measure.Peer,
			how:  "pg_restore of the whole schema but constraints NOT VALID; then CREATE SUBSCRIPTION, 4 sync workers, all tables ready",
			move: func(ctx context.Context, m *move) error { return m.Subscribe(ctx, true) }, clean: unsubscribe,
		},
	}
	if _, err := exec.LookPath("pgcopydb"); err == nil {
		all = append(all, subject{
			name: "pgcopydb", role: measure.Peer,
			how:  "pgcopydb clone --table-jobs 4 --index-jobs 2 at the target's site",
			move: func(ctx context.Context, m *move) error { return m.PgCopyDB(ctx, 4, 2) },
		})
	}
	return all
}

func dumpFromTarget(ctx context.Context, m *move) error {
	return m.Pipeline(ctx, peer.At(m.ToPlace, m.Source.Client("pg_dump"), "-Fc", "-Z0", "-d", m.SourceDSN), m.Restore())
}

func dumpThroughPipe(ctx context.Context, m *move) error {
	return m.Pipeline(ctx, m.DumpHere(), m.Restore())
}

func dumpThroughZstd(ctx context.Context, m *move) error {
	return m.Pipeline(ctx, m.DumpHere("-Z0"), peer.At(m.FromPlace, zstd...), peer.At(m.ToPlace, unzstd...), m.Restore())
}

// What a stream passes at either site.
var zstd, unzstd = []string{"zstd", "-3", "-q", "-c"}, []string{"zstd", "-d", "-q", "-c"}

func unsubscribe(ctx context.Context, m *move) error { return m.Unsubscribe(ctx) }
