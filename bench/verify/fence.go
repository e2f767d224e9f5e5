package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"replicator/bench/cluster"
	"replicator/bench/measure"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/pg"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// growth is how many times larger the large database is.
const growth = 10

// fence is the scenario of that name: rows of one narrow table change, the rest only lies there.
func fence(ctx context.Context, r *measure.Report, o options) error {
	src, err := cluster.Start(ctx, cluster.Config{Settings: settings})
	if err != nil {
		return err
	}
	defer src.Close()
	tgt, err := cluster.Start(ctx, cluster.Config{Settings: settings})
	if err != nil {
		return err
	}
	defer tgt.Close()
	for _, keys := range o.keys {
		g := r.Group(fmt.Sprintf("From the fence to the opening, %d rows changed since the verification", keys), "seconds")
		g.Fact("compare s", "the step that compares changed rows; full compare s: comparing everything just before, by verify")
		rows := max(2*keys, 200_000)
		small := g.Subject("1x", measure.Ours, fmt.Sprintf("%d rows", rows))
		large := g.Subject("10x", measure.Ours, fmt.Sprintf("%d rows", growth*rows))
		err := measure.Interleave(o.runs, 2, func(run, i int) error {
			n, subject := rows, small
			if i == 1 {
				n, subject = growth*rows, large
			}
			v, err := window(ctx, src, tgt, fmt.Sprintf("w%d_%d_%d", keys, run, i), n, keys)
			if err == nil && i == 1 {
				v["versus_small"] = v["seconds"] / small.Runs[len(small.Runs)-1].Values["seconds"]
			}
			if err == nil {
				subject.Add(v)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// window seeds and verifies a job, changes rows, and catches up.
func window(ctx context.Context, src, tgt *cluster.Cluster, name string, rows, keys int) (measure.Values, error) {
	dir, err := os.MkdirTemp("", "bench-verify-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	o := replicator.Options{Dir: filepath.Join(dir, "job")}
	if o.Source, err = src.CreateDatabase(ctx, name); err != nil {
		return nil, err
	}
	if o.Target, err = tgt.CreateDatabase(ctx, name); err != nil {
		return nil, err
	}
	if err := run(ctx, o.Source, fmt.Sprintf(`CREATE TABLE obs (id bigint PRIMARY KEY, patient int, code text, at timestamptz, v numeric, note text);
		INSERT INTO obs SELECT i, i %% 5000, 'code' || i %% 100, now(), i / 7.0, md5(i::text) FROM generate_series(1, %d) i; ANALYZE obs`, rows)); err != nil {
		return nil, err
	}
	tracker := make(chan *status.Tracker, 1)
	o.OnTracker = func(t *status.Tracker) { tracker <- t }
	seeded := make(chan error, 1)
	go func() { seeded <- replicator.Seed(ctx, o) }()
	v, err := proved(ctx, o, <-tracker, seeded, keys, rows)
	if err == nil {
		err = <-seeded
	}
	return v, errors.Join(err, replicator.Cleanup(context.WithoutCancel(ctx), replicator.CleanupOptions{Dir: o.Dir}))
}

// proved is the time of the window once the job follows.
func proved(ctx context.Context, o replicator.Options, t *status.Tracker, seeded <-chan error, keys, rows int) (measure.Values, error) {
	for t.Status().Phase != status.Following {
		select {
		case err := <-seeded:
			return nil, fmt.Errorf("the engine ended: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	began := time.Now()
	if _, err := replicator.Verify(ctx, replicator.VerifyOptions{Dir: o.Dir}, func(verify.Event) {}); err != nil {
		return nil, err
	}
	full := time.Since(began).Seconds()
	if err := run(ctx, o.Source, fmt.Sprintf("UPDATE obs SET v = v + 1 WHERE id %% %d = 0", rows/keys)); err != nil {
		return nil, err
	}
	// A rehearsal drains: the window begins with no lag.
	if _, err := replicator.Catchup(ctx, replicator.CatchupOptions{Dir: o.Dir, Rehearse: true}, func(catchup.Event) {}); err != nil {
		return nil, err
	}
	report, err := replicator.Catchup(ctx, replicator.CatchupOptions{Dir: o.Dir, Verify: catchup.VerifyChanged}, func(catchup.Event) {})
	if err != nil {
		return nil, err
	}
	v := measure.Values{"full_seconds": full}
	fenced := false
	for _, s := range report.Steps {
		if fenced = fenced || s.Name == "fence the source"; fenced {
			v["seconds"] += s.Seconds
		}
		if s.Name == "verify" {
			v["compare_seconds"] = s.Seconds
		}
	}
	if len(report.Tables) != 1 || report.Tables[0].Changed && report.Tables[0].Rows != int64(keys) || !report.Tables[0].Changed && report.Tables[0].Rows != int64(rows) {
		return nil, fmt.Errorf("compared %+v, want the %d rows that changed, or all %d where that takes less", report.Tables, keys, rows)
	}
	return v, nil
}

func run(ctx context.Context, dsn, sql string) error {
	c, err := pg.Connect(ctx, pg.Config{DSN: dsn, Name: "bench", Settings: map[string]string{"search_path": "public"}})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Exec(ctx, sql)
}
