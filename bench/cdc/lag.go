package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/bench/clinical/workload"
	"replicator/bench/measure"
	"replicator/replicator/pg"
)

// fullLag is how long the lag is measured, and how long the wards run to find their highest rate, at
// scale 1; leastLag is enough for a hundred beats and more.
const (
	fullLag  = 20 * time.Second
	leastLag = 4 * time.Second
)

// warmUp is for the wards to have touched every table, which whoever follows then has met.
const warmUp = 3 * time.Second

func (o *options) lagTime() time.Duration {
	return max(leastLag, time.Duration(o.scale*float64(fullLag)))
}

// follower is one whose lag is measured; begin returns once it follows, with the name of its database
// and what ends it.
type follower struct {
	name, how string
	role      measure.Role
	begin     func(ctx context.Context, w *world, run int) (db string, end func(context.Context) error, err error)
}

// lags is the scenario lag.
func (o *options) lags(ctx context.Context, r *measure.Report) (err error) {
	w, err := o.open(ctx, r, wards())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.Source.Exec(ctx, sourceDB, beatTable); err != nil {
		return err
	}
	if err := w.Target.Exec(ctx, baseDB, beatTable); err != nil {
		return err
	}
	rate, err := w.saturate(ctx)
	if err != nil {
		return fmt.Errorf("find the highest rate: %w", err)
	}
	half := r.Group("Lag at half of the highest rate", "lag_p99_seconds")
	half.Fact("rate", "%.0f acts of the wards a second; while replicator follows they come to %.0f at most, on the processors that they share with it and both servers", rate/2, rate)
	half.Fact("lag", "from just before a heartbeat's UPDATE is sent, which commits by itself, until a SELECT on the target shows it; one every %s, asked for every %s", beatEvery, lookEvery)
	idle := r.Group("Lag at idle", "lag_p99_seconds")
	followers := []follower{oursFollows(), nativeFollows()}
	err = measure.Interleave(o.runs(), len(followers), func(run, i int) error {
		f := followers[i]
		db, end, err := f.begin(ctx, w, run)
		if err != nil {
			return fmt.Errorf("%s, run %d: %w", f.name, run+1, err)
		}
		quiet, busy, err := w.lag(ctx, db, rate/2)
		if err = errors.Join(err, end(context.WithoutCancel(ctx))); err != nil {
			return fmt.Errorf("%s, run %d: %w", f.name, run+1, err)
		}
		w.log.Info("lag", "of", f.name, "run", run+1, "p99 at idle", quiet["lag_p99_seconds"], "at half the rate", busy["lag_p99_seconds"])
		idle.Subject(f.name, f.role, f.how).Add(quiet)
		half.Subject(f.name, f.role, f.how).Add(busy)
		return nil
	})
	for _, g := range []*measure.Group{half, idle} {
		g.Compare()
		g.Ratios()
	}
	return err
}

// saturate lets the wards run as fast as they come while replicator follows.
func (w *world) saturate(ctx context.Context) (rate float64, err error) {
	_, end, err := oursFollows().begin(ctx, w, -1)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, end(context.WithoutCancel(ctx))) }()
	limited, stop := context.WithTimeout(ctx, w.lagTime())
	defer stop()
	var stats workload.Stats
	if err := w.ward(limited, 0, 0, &stats); err != nil {
		return 0, err
	}
	return float64(stats.Committed) / w.lagTime().Seconds(), ctx.Err()
}

// lag measures at idle, then while the wards write.
func (w *world) lag(ctx context.Context, db string, rate float64) (quiet, busy measure.Values, err error) {
	if quiet, err = w.beats(ctx, db); err != nil {
		return nil, nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	wards, stop := context.WithCancel(ctx)
	g.Go(func() error { return w.ward(wards, rate, 0, nil) })
	g.Go(func() (err error) {
		defer stop()
		if err := pg.Pause(ctx, warmUp); err != nil {
			return err
		}
		busy, err = w.beats(ctx, db)
		return err
	})
	return quiet, busy, g.Wait()
}

func oursFollows() follower {
	return follower{
		name: "replicator", role: measure.Ours, how: "replicator seed, following",
		begin: func(ctx context.Context, w *world, run int) (string, func(context.Context) error, error) {
			j, err := w.job(ctx, fmt.Sprintf("lag_%d", run+1))
			if err != nil {
				return "", nil, err
			}
			d, err := j.Start(ctx, nil, j.SeedArgs()...)
			if err != nil {
				return "", nil, err
			}
			end := func(ctx context.Context) error {
				return errors.Join(d.Stop(), j.Cleanup(ctx), j.End(ctx))
			}
			if err := d.Follows(ctx, j.Dir()); err != nil {
				return "", nil, errors.Join(err, end(context.WithoutCancel(ctx)))
			}
			return j.To, end, nil
		},
	}
}

// nativeFollows is native replication in its default form; of what arrives only the heartbeat is looked at.
func nativeFollows() follower {
	return follower{
		name: "native", role: measure.Peer, how: "CREATE SUBSCRIPTION (streaming off, binary off), indexes in place, tables copied",
		begin: func(ctx context.Context, w *world, run int) (string, func(context.Context) error, error) {
			m, err := w.Move(ctx, sourceDB, nativeDB)
			if err != nil {
				return "", nil, err
			}
			m.SourceDSN = w.sourceDSN()
			end := func(ctx context.Context) error { return errors.Join(m.Unsubscribe(ctx), m.End(ctx)) }
			if err := m.Subscribe(ctx, true); err != nil {
				return "", nil, errors.Join(err, end(context.WithoutCancel(ctx)))
			}
			return nativeDB, end, nil
		},
	}
}
