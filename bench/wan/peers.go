package main

import (
	"context"
	"os/exec"
	"path/filepath"

	"replicator/bench/measure"
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
			move: func(ctx context.Context, m *move) error { return subscribe(ctx, m, false) }, clean: unsubscribe,
		},
		{
			name: "native, indexes before", role: measure.Peer,
			how:  "pg_restore of the whole schema but constraints NOT VALID; then CREATE SUBSCRIPTION, 4 sync workers, all tables ready",
			move: func(ctx context.Context, m *move) error { return subscribe(ctx, m, true) }, clean: unsubscribe,
		},
	}
	if _, err := exec.LookPath("pgcopydb"); err == nil {
		all = append(all, subject{
			name: "pgcopydb", role: measure.Peer,
			how:  "pgcopydb clone --table-jobs 4 --index-jobs 2 at the target's site",
			move: pgcopydb,
		})
	}
	return all
}

// restore is pg_restore into m's database, at the target's site, of its input or of what args name.
func (m *move) restore(args ...string) stage {
	argv := []string{m.client("pg_restore"), "--exit-on-error", "-d", m.target.SocketDSN(m.db)}
	return at(m.target.ns, append(argv, args...)...)
}

func dumpFromTarget(ctx context.Context, m *move) error {
	return m.pipeline(ctx, m.link, at(m.target.ns, m.client("pg_dump"), "-Fc", "-Z0", "-d", m.sourceDSN), m.restore())
}

func (m *move) dumpHere(args ...string) stage {
	argv := []string{m.client("pg_dump"), "-Fc", "-d", m.source.SocketDSN(sourceDB)}
	return at(m.source.ns, append(argv, args...)...)
}

func dumpThroughPipe(ctx context.Context, m *move) error {
	return m.pipeline(ctx, m.link, m.dumpHere(), m.restore())
}

func dumpThroughZstd(ctx context.Context, m *move) error {
	return m.pipeline(ctx, m.link, m.dumpHere("-Z0"), at(m.source.ns, "zstd", "-3", "-q", "-c"),
		at(m.target.ns, "zstd", "-d", "-q", "-c"), m.restore())
}

func pgcopydb(ctx context.Context, m *move) error {
	return m.run(ctx, m.target.ns, "pgcopydb", "clone", "--source", m.sourceDSN, "--target", m.target.SocketDSN(m.db),
		"--dir", filepath.Join(m.scratch, "pgcopydb"), "--table-jobs", "4", "--index-jobs", "2")
}
