package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/replicator"
)

// ours is replicator in one process; its copies are made before the backlog is.
func ours() subject {
	jobs := map[int]*peer.Job{}
	return subject{
		name: "replicator", role: measure.Ours, how: "replicator seed, which goes on where seed --until consistent has left off",
		prepare: func(ctx context.Context, w *world, run int) error {
			j, err := w.job(ctx, fmt.Sprintf("ours_%d", run))
			if err == nil {
				jobs[run] = j
				err = j.Seed(ctx)
			}
			return err
		},
		drain: func(ctx context.Context, w *world, b *backlog, run int) (measure.Values, error) {
			return w.drainOurs(ctx, b, jobs[run])
		},
	}
}

// job is a new one, of that name, into a database of that name.
func (w *world) job(ctx context.Context, name string) (*peer.Job, error) {
	m, err := w.Move(ctx, sourceDB, name)
	if err != nil {
		return nil, err
	}
	m.SourceDSN = w.sourceDSN()
	return &peer.Job{Move: m, Program: w.program, Name: name}, nil
}

func (w *world) drainOurs(ctx context.Context, b *backlog, j *peer.Job) (v measure.Values, err error) {
	j.Tool = &peer.Tool{Logs: w.Logs} // without what the seed has used
	engine, err := w.engine(ctx, j)
	if err != nil {
		return nil, err
	}
	meter := j.Meter()
	meter.Daemons = engine.daemons
	at := &peer.Reader{Server: w.Target, DB: j.To, SQL: peer.Applied}
	v, err = w.clock(ctx, meter, j.Name, engine.start, at, b, engine.ended)
	if err = errors.Join(err, engine.stop()); err != nil {
		return nil, err
	}
	v["tool_peak_bytes"] = float64(j.Peak())
	if err := peer.Same(ctx, w.Source, sourceDB, w.Target, j.To); err != nil {
		return nil, err
	}
	return v, errors.Join(j.Cleanup(ctx), j.End(ctx))
}

// engine is replicator that follows, as a program or in this process.
type engine struct {
	start   func(context.Context) error
	daemons func() []*peer.Daemon
	ended   func() error
	stop    func() error
}

func (w *world) engine(ctx context.Context, j *peer.Job) (engine, error) {
	if w.profile != "" {
		return w.profiled(ctx, j)
	}
	var d *peer.Daemon
	return engine{
		start: func(ctx context.Context) (err error) {
			d, err = j.Start(ctx, nil, j.SeedArgs()...)
			return err
		},
		daemons: func() []*peer.Daemon { return []*peer.Daemon{d} },
		ended:   func() error { return d.Ended() },
		stop:    func() error { return d.Stop() },
	}, nil
}

// profiled runs the engine in this process; its CPU then counts as others'.
func (w *world) profiled(ctx context.Context, j *peer.Job) (engine, error) {
	ctx, cancel := context.WithCancel(ctx)
	f, err := os.Create(w.profile)
	if err != nil {
		cancel()
		return engine{}, err
	}
	done := make(chan error, 1)
	return engine{
		start: func(context.Context) error {
			if err := pprof.StartCPUProfile(f); err != nil {
				return err
			}
			go func() {
				done <- replicator.Seed(ctx, replicator.Options{Source: j.SourceDSN, Target: j.TargetDSN(), Dir: j.Dir(), NoKey: "full", Slot: j.Name})
			}()
			return nil
		},
		daemons: func() []*peer.Daemon { return nil },
		ended: func() error {
			select {
			case err := <-done:
				return fmt.Errorf("the engine ended: %w", err)
			default:
				return nil
			}
		},
		stop: func() error {
			pprof.StopCPUProfile()
			cancel()
			<-done // it was told to
			return f.Close()
		},
	}, nil
}
