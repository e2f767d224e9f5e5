package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/bench/clinical/workload"
	"replicator/bench/measure"
	"replicator/bench/peer"
)

// wards is the scenario.
func (o *options) wards(ctx context.Context, r *measure.Report) (err error) {
	w, err := o.open(ctx, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	copying, following := r.Group("The wards while their database is copied", "act_p99_seconds"), r.Group("The wards while it is followed", "act_p99_seconds")
	copying.Fact("acts", "%g a second in four sessions, each one transaction; from when it is due to its commit", o.rate)
	copying.Fact("oldest snapshot", "of sessions other than the wards', on the source, looked at every %s", lookEvery)
	subjects := measure.Chosen(subjects(o.maxRate), o.subjects, func(s subject) string { return s.name })
	err = measure.Interleave(o.runs(), len(subjects), func(run, i int) error {
		s := subjects[i]
		c, f, err := w.try(ctx, s)
		if err != nil {
			return fmt.Errorf("%s, run %d: %w", s.name, run+1, err)
		}
		w.log.Info("measured", "subject", s.name, "run", run+1, "p99 while copied", c["act_p99_seconds"], "others", fmt.Sprintf("%.0f %%", 100*c["other_share"]))
		copying.Subject(s.name, s.role, s.how).Add(c)
		if f != nil {
			following.Subject(s.name, s.role, s.how).Add(f)
		}
		return nil
	})
	for _, g := range []*measure.Group{copying, following} {
		g.Compare()
		g.Ratios()
	}
	return err
}

// warmUp is for the wards' sessions to be open and their statements prepared.
const warmUp = time.Second

// try measures the wards while s copies, and, where s follows or does nothing, afterwards; else the
// second is nil.
func (w *world) try(ctx context.Context, s subject) (copying, following measure.Values, err error) {
	m, err := w.Pair.Move(ctx, sourceDB, targetDB)
	if err != nil {
		return nil, nil, err
	}
	a := &attempt{world: w, Move: m}
	defer func() { err = errors.Join(err, m.End(context.WithoutCancel(ctx))) }()
	acts := &acts{}
	writing, stop := context.WithCancel(ctx)
	g, gctx := errgroup.WithContext(writing)
	g.Go(func() error { return w.write(gctx, acts) })
	copying, following, err = w.phases(gctx, s, a, acts)
	if s.end != nil {
		err = errors.Join(err, s.end(context.WithoutCancel(ctx), a))
	}
	stop()
	return copying, following, errors.Join(err, g.Wait())
}

func (w *world) phases(ctx context.Context, s subject, a *attempt, acts *acts) (copying, following measure.Values, err error) {
	if err := sleep(ctx, warmUp); err != nil {
		return nil, nil, err
	}
	alone := func(ctx context.Context) error { return sleep(ctx, w.follow) }
	do := alone
	if s.copy != nil {
		do = func(ctx context.Context) error { return s.copy(ctx, a) }
	}
	if copying, err = w.phase(ctx, a, acts, do); err != nil {
		return nil, nil, err
	}
	switch {
	case s.copy == nil:
		return copying, copying, nil
	case s.follows:
		following, err = w.phase(ctx, a, acts, alone)
	}
	return copying, following, err
}

// phase measures the wards during a piece of work.
func (w *world) phase(ctx context.Context, a *attempt, acts *acts, do func(context.Context) error) (measure.Values, error) {
	look, stop := context.WithCancel(ctx)
	defer stop()
	oldest := make(chan looked, 1)
	go func() { oldest <- w.oldestSnapshot(look) }()
	acts.take()
	meter := a.Meter()
	meter.Daemons = func() []*peer.Daemon { return []*peer.Daemon{a.engine} }
	v, err := meter.Clock(ctx, do)
	took := acts.take()
	stop()
	seen := <-oldest
	if err = errors.Join(err, seen.err); err != nil {
		return nil, err
	}
	maps.Copy(v, measure.Latencies("act", took))
	v["snapshot_seconds"] = seen.oldest
	w.log.Info("oldest snapshot", "seconds", fmt.Sprintf("%.2f", seen.oldest), "held by", seen.whose)
	return v, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write lets the wards write until ctx ends.
func (w *world) write(ctx context.Context, a *acts) error {
	_, err := workload.Run(ctx, workload.Options{DSN: w.Source.SocketDSN(sourceDB), Rate: w.rate, Seed: 1, Canary: "~", NoTruncate: true, Committed: a.committed})
	return err
}

// acts are how long acts took.
type acts struct {
	mu   sync.Mutex
	took []time.Duration
}

// longAct is the one that stays open for seconds by intention.
const longAct = "long round"

func (a *acts) committed(act string, took time.Duration) {
	if act == longAct {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took = append(a.took, took)
}

// take gives what came since the last call.
func (a *acts) take() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	took := a.took
	a.took = nil
	return took
}
