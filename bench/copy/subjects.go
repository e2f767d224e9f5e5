package main

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"replicator/bench/measure"
	"replicator/bench/peer"
)

// jobs is how many sessions copy where a tool can be told; the machine for which the goals are written
// has two processors.
const jobs = 2

func subjects() []subject {
	all := []subject{ours(), dump()}
	if _, err := exec.LookPath("pgcopydb"); err == nil {
		all = append(all, pgcopydb("pgcopydb, 2 jobs", 2), pgcopydb("pgcopydb, 4 jobs", 4))
	}
	return append(all, native("native, indexes after", false), native("native, indexes before", true), raw())
}

func dump() subject {
	return subject{
		name: "pg_dump | pg_restore", role: measure.Peer,
		how: "pg_dump -Fd -Z0 -j2, then pg_restore -j2, then vacuumdb -Z -j2",
		copy: func(ctx context.Context, a *attempt) error {
			if err := a.DumpDirectory(ctx, jobs); err != nil {
				return err
			}
			return a.Analyze(ctx)
		},
	}
}

func pgcopydb(name string, tableJobs int) subject {
	return subject{
		name: name, role: measure.Peer,
		how:  "pgcopydb clone with so many --table-jobs, --index-jobs 2, which vacuums and analyzes as it goes",
		copy: func(ctx context.Context, a *attempt) error { return a.PgCopyDB(ctx, tableJobs, jobs) },
	}
}

func native(name string, indexesFirst bool) subject {
	how := "CREATE SUBSCRIPTION, 4 sync workers, all tables ready; then pg_restore -j2 --section=post-data, setval, vacuumdb -Z -j2"
	if indexesFirst {
		how = "pg_restore of the whole schema but constraints NOT VALID; then CREATE SUBSCRIPTION, 4 sync workers, all tables ready; setval, vacuumdb -Z -j2"
	}
	return subject{
		name: name, role: measure.Peer, how: how,
		copy: func(ctx context.Context, a *attempt) error {
			if err := a.Subscribe(ctx, indexesFirst); err != nil {
				return err
			}
			return errors.Join(a.CarrySequences(ctx), a.Analyze(ctx))
		},
		clean: func(ctx context.Context, a *attempt) error { return a.Unsubscribe(ctx) },
	}
}

// raw is what the machine takes for the parts when each is done by itself.
func raw() subject {
	return subject{
		name: "raw parts", role: measure.Reference,
		how:  "psql COPY TO | psql COPY FROM, binary, two tables at a time, the largest first; pg_restore -j2 of indexes; the same of foreign keys; setval, vacuumdb -Z -j2",
		copy: func(ctx context.Context, a *attempt) error { return a.raw(ctx) },
	}
}

func (a *attempt) raw(ctx context.Context) error {
	s, err := a.Schema(ctx)
	if err != nil {
		return err
	}
	if err := s.Before(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"copy", func() error { return a.CopyTables(ctx, jobs, nil, nil) }},
		{"index", func() error { return s.After(ctx, "index", func(e string) bool { return !peer.IsForeign(e) }) }},
		{"foreign", func() error { return s.After(ctx, "foreign", peer.IsForeign) }},
		{"analyze", func() error { return errors.Join(a.CarrySequences(ctx), a.Analyze(ctx)) }},
	} {
		began, used := time.Now(), a.CPU()
		if err := part.do(); err != nil {
			return err
		}
		a.parts[part.name+"_seconds"] = time.Since(began).Seconds()
		a.parts[part.name+"_tool_cpu_seconds"] = (a.CPU() - used).Seconds()
	}
	return nil
}

// clinical is the scenario of that name.
func (o *options) clinical(ctx context.Context, r *measure.Report) (err error) {
	w, err := o.open(ctx, r, nil, func(ctx context.Context, s *peer.Server) error { return peer.Hospital(ctx, s, sourceDB, o.scale) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.look(ctx); err != nil {
		return err
	}
	err = peer.CarryRoles(ctx, &peer.Tool{}, w.Source, w.Target, w.Dir+"/roles.sql")
	if err != nil {
		return err
	}
	g := r.Group("Copying the clinical database", "seconds")
	g.Fact("rows", "%.1f MB in COPY's binary format; %d tables, %s indexes, %s constraints; scale %g",
		float64(w.raw)/1e6, len(w.want.Rows), w.want.Indexes, w.want.Constraints, o.scale)
	g.Fact("left out", "%s, which pgcopydb 0.10 fails on", peer.Exclusion)
	g.Fact("compared at the end", "rows and a hash of every table's text but unlogged ones, number of indexes and constraints, values of sequences, tables with statistics")
	return w.compare(ctx, g, subjects())
}
