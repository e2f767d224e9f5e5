package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/bench/wire"
)

// subject is one way to move a database.
type subject struct {
	name string
	role measure.Role
	how  string
	bare bool // moves rows only, no indexes and constraints
	// prepare is what stands before anybody looks at the clock, and clean takes away what move has
	// left running or on the source; both may be nil.
	prepare func(context.Context, *move) error
	move    func(context.Context, *move) error
	clean   func(context.Context, *move) error
}

// move is one database on its way.
type move struct {
	*world
	*peer.Move // to a fresh database
	link       *wire.Link

	// Of replicator only. In process there is neither a service nor a host at which it is reached.
	service *peer.Daemon
	host    string
	engine  *peer.Daemon // that follows
	watcher *peer.Reader // asks the target how far it is
}

// targetDB is made anew for every run.
const targetDB = "moved"

// try lets s move the database once and measures it.
func (w *world) try(ctx context.Context, s subject, l *wire.Link) (v measure.Values, err error) {
	m, err := w.newMove(ctx, l)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.end(context.WithoutCancel(ctx), s)) }()
	if s.prepare != nil {
		if err := s.prepare(ctx, m); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	v, samples, err := m.clock(ctx, s.move)
	if err != nil {
		return nil, err
	}
	m.rows(v, samples)
	got, err := peer.ReadState(ctx, &w.target.Server, m.To)
	if err != nil {
		return nil, fmt.Errorf("look at the target: %w", err)
	}
	return v, w.want.Differs(got, s.bare)
}

func (w *world) newMove(ctx context.Context, l *wire.Link) (m *move, err error) {
	m = &move{world: w, link: l, Move: &peer.Move{
		Tool: &peer.Tool{Logs: w.logs, Join: l.Join}, Source: &w.source.Server, Target: &w.target.Server, From: sourceDB, To: targetDB,
		FromPlace: w.source.ns.Place(), ToPlace: w.target.ns.Place(),
	}}
	m.watcher = &peer.Reader{Server: m.Target, DB: m.To, SQL: peer.Applied}
	if m.Scratch, err = os.MkdirTemp(w.dir, "move-*"); err != nil {
		return nil, err
	}
	if err := m.Target.Fresh(ctx, m.To); err != nil {
		return nil, err
	}
	source, err := l.Far(ctx, w.source.address())
	if err != nil {
		return nil, err
	}
	m.SourceDSN = dsnAt(source, sourceDB)
	for _, s := range []*peer.Server{m.Source, m.Target} { // no run pays for what another one wrote
		if err := s.Exec(ctx, "postgres", "CHECKPOINT"); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *move) end(ctx context.Context, s subject) (err error) {
	if s.clean != nil {
		if err = s.clean(ctx, m); err != nil {
			err = fmt.Errorf("clean up: %w", err)
		}
	}
	m.link.Close()
	return errors.Join(err, m.Target.Drop(ctx, m.To), os.RemoveAll(m.Scratch))
}

// clock measures do; the samples are of what went over the wire to the target.
func (m *move) clock(ctx context.Context, do func(context.Context, *move) error) (measure.Values, *measure.Samples, error) {
	watch, stop := context.WithCancel(ctx)
	defer stop()
	var samples *measure.Samples
	watched := make(chan error, 1)
	go func() {
		var err error
		samples, err = measure.Follow(watch, func() (int64, error) {
			toTarget, _, err := m.link.Carried()
			return toTarget, err
		})
		watched <- err
	}()
	v, err := m.meter().Clock(ctx, func(ctx context.Context) error { return do(ctx, m) })
	stop()
	if err := errors.Join(err, <-watched); err != nil {
		return nil, nil, err
	}
	v["wire_bytes"] = float64(samples.Total())
	return v, samples, nil
}

// edge is the share of a move's bytes that is left out at both ends when it is asked how full the
// wire was while rows were copied: questions before, and what comes after.
const edge = 0.02

// rows adds to v what follows from how many bytes of rows were moved.
func (m *move) rows(v measure.Values, samples *measure.Samples) {
	raw := float64(m.raw)
	v["raw_bytes_per_second"] = raw / v["seconds"]
	bytes, took := samples.Core(edge)
	if bytes == 0 || took == 0 {
		return
	}
	rate := float64(bytes) / took.Seconds()
	v["ratio"] = raw / v["wire_bytes"]
	v["copy_seconds"] = took.Seconds()
	v["wire_share"] = rate / m.capacity[m.link.Mbit].frames
	v["wire_share_nominal"] = rate / (float64(m.link.Mbit) * 1e6 / 8)
}

func (m *move) meter() peer.Meter {
	return peer.Meter{Tool: m.Tool, Servers: []*peer.Server{m.Source, m.Target}, Daemons: func() []*peer.Daemon { return []*peer.Daemon{m.engine, m.service} }}
}
