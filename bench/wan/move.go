package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"replicator/bench/measure"
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
	tool
	link    *link
	db      string // fresh on the target
	scratch string // a directory for files of the tool
	// From the other site, through the link.
	sourceDSN, targetDSN string

	// Of replicator only: the target end, and how it is reached; none in process.
	service *daemon
	host    string
}

// targetDB is made anew for every run.
const targetDB = "moved"

// try lets s move the database once and measures it.
func (w *world) try(ctx context.Context, s subject, l *link) (v measure.Values, err error) {
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
	if v, err = m.measure(ctx, s); err != nil {
		return nil, err
	}
	got, err := readState(ctx, w.target, m.db)
	if err != nil {
		return nil, fmt.Errorf("look at the target: %w", err)
	}
	return v, w.want.differs(got, s.bare)
}

func (w *world) newMove(ctx context.Context, l *link) (m *move, err error) {
	m = &move{world: w, link: l, db: targetDB}
	if m.scratch, err = os.MkdirTemp(w.dir, "move-*"); err != nil {
		return nil, err
	}
	if err := w.target.createDatabase(ctx, m.db); err != nil {
		return nil, err
	}
	source, err := l.far(ctx, w.source.address())
	if err != nil {
		return nil, err
	}
	target, err := l.far(ctx, w.target.address())
	if err != nil {
		return nil, err
	}
	m.sourceDSN, m.targetDSN = dsnAt(source, sourceDB), dsnAt(target, m.db)
	for _, s := range []*site{w.source, w.target} { // no run pays for what another one wrote
		if err := s.exec(ctx, "postgres", "CHECKPOINT"); err != nil {
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
	m.link.close()
	return errors.Join(err, m.target.dropDatabase(ctx, m.db), os.RemoveAll(m.scratch))
}

// measure runs the timed part.
func (m *move) measure(ctx context.Context, s subject) (measure.Values, error) {
	before, err := m.usage()
	if err != nil {
		return nil, err
	}
	watch, stop := context.WithCancel(ctx)
	defer stop()
	var samples *measure.Samples
	watched := make(chan error, 1)
	go func() {
		var err error
		samples, err = measure.Follow(watch, func() (int64, error) {
			toTarget, _, err := m.link.carried()
			return toTarget, err
		})
		watched <- err
	}()
	began := time.Now()
	err = s.move(ctx, m)
	took := time.Since(began)
	stop()
	if err := errors.Join(err, <-watched); err != nil {
		return nil, err
	}
	after, err := m.usage()
	if err != nil {
		return nil, err
	}
	return m.values(took, samples, after.minus(before)), nil
}

// edge is the share of a move's bytes that is left out at both ends when it is asked how full the
// wire was while rows were copied: questions before, and what comes after.
const edge = 0.02

func (m *move) values(took time.Duration, samples *measure.Samples, u usage) measure.Values {
	seconds, raw := took.Seconds(), float64(m.raw)
	bytes, while := samples.Core(edge)
	rate := float64(bytes) / while.Seconds()
	return measure.Values{
		"seconds":              seconds,
		"raw_bytes_per_second": raw / seconds,
		"wire_bytes":           float64(samples.Total()),
		"ratio":                raw / float64(samples.Total()),
		"copy_seconds":         while.Seconds(),
		"wire_share":           rate / m.capacity[m.link.mbit].frames,
		"wire_share_nominal":   rate / (float64(m.link.mbit) * 1e6 / 8),
		"tool_cpu_seconds":     time.Duration(m.used.Load()).Seconds(),
		"server_cpu_seconds":   u.servers.Seconds(),
		"machine_busy":         u.machine.Seconds() / seconds / float64(m.cores),
	}
}

// usage is CPU time so far.
type usage struct{ servers, machine time.Duration }

func (u usage) minus(v usage) usage { return usage{u.servers - v.servers, u.machine - v.machine} }

func (w *world) usage() (u usage, err error) {
	for _, s := range []*site{w.source, w.target} {
		d, err := s.cpu()
		if err != nil {
			return u, fmt.Errorf("CPU time of a server: %w", err)
		}
		u.servers += d
	}
	u.machine, err = measure.MachineBusy()
	return u, err
}
