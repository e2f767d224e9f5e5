package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/replicator"
)

// many are settings with which thousands of tables can be dumped.
var many = map[string]string{"max_locks_per_transaction": "2048"}

// smallRows is how many rows each of many tables has.
const smallRows = 20

// smallTables makes n of them, some hundreds a transaction.
func smallTables(ctx context.Context, s *peer.Server, n, rows int) error {
	if err := s.Fresh(ctx, sourceDB); err != nil {
		return err
	}
	c, err := s.Open(ctx, sourceDB)
	if err != nil {
		return err
	}
	defer c.Close()
	const batch = 500
	for from := 0; from < n; from += batch {
		err := c.Exec(ctx, fmt.Sprintf(`SET synchronous_commit = off; DO $$ BEGIN FOR i IN %d .. %d LOOP
			EXECUTE format('CREATE TABLE public.t%%s (id int PRIMARY KEY, name text, at timestamptz)', i);
			EXECUTE format('INSERT INTO public.t%%s SELECT g, ''row '' || g, now() FROM generate_series(1, %d) g', i);
			END LOOP; END $$`, from, min(from+batch, n)-1, rows))
		if err != nil {
			return err
		}
	}
	return c.Exec(ctx, "ANALYZE")
}

// small is the scenario of that name.
func (o *options) small(ctx context.Context, r *measure.Report) (err error) {
	w, err := o.open(ctx, r, many, func(ctx context.Context, s *peer.Server) error { return smallTables(ctx, s, o.tables, smallRows) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.look(ctx); err != nil {
		return err
	}
	g := r.Group(fmt.Sprintf("Copying %d small tables", o.tables), "seconds")
	g.Fact("tables", "%d rows each, a primary key", smallRows)
	return w.compare(ctx, g, []subject{ours(), dump()})
}

// plan is the scenario of that name: the engine begins a job in this process, up to the moment at
// which the plan is kept.
func (o *options) plan(ctx context.Context, r *measure.Report) (err error) {
	w, err := o.open(ctx, r, many, func(ctx context.Context, s *peer.Server) error { return smallTables(ctx, s, o.many, 0) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	g := r.Group(fmt.Sprintf("Planning %d tables", o.many), "seconds")
	into := g.Subject("replicator", measure.Ours, "seed from its start until the plan is in the store, in the benchmark's process, whose peak of resident memory this is")
	for run := range w.runs() {
		v, err := w.planOnce(ctx)
		if err != nil {
			return fmt.Errorf("run %d: %w", run+1, err)
		}
		w.log.Info("planned", "run", run+1, "seconds", fmt.Sprintf("%.1f", v["seconds"]))
		into.Add(v)
	}
	return nil
}

var errPlanned = errors.New("planned")

func (w *world) planOnce(ctx context.Context) (v measure.Values, err error) {
	m, err := w.Pair.Move(ctx, sourceDB, targetDB)
	if err != nil {
		return nil, err
	}
	a := &attempt{world: w, Move: m}
	defer func() { err = errors.Join(err, a.Move.End(context.WithoutCancel(ctx))) }()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // VmHWM begins anew
		return nil, err
	}
	until, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	engine, began := a.engine(), time.Now()
	engine.Hook = func(point string) {
		if point == "engine: plan saved" {
			v = measure.Values{"seconds": time.Since(began).Seconds()}
			stop(errPlanned)
		}
	}
	err = replicator.Seed(until, engine)
	if v == nil {
		return nil, errors.Join(errors.New("the engine ended before it had a plan"), err)
	}
	peak, err := ownPeak()
	v["tool_peak_bytes"] = float64(peak)
	return v, err
}

// ownPeak is the most resident memory of this process since it was reset.
func ownPeak() (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}
