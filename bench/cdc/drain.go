package main

import (
	"context"
	"errors"
	"fmt"

	"replicator/bench/measure"
	"replicator/bench/peer"
)

// subject is one that drains a backlog.
type subject struct {
	name string
	role measure.Role
	how  string
	// prepare makes the slot of a run, before the backlog is written.
	prepare func(ctx context.Context, w *world, run int) error
	drain   func(ctx context.Context, w *world, b *backlog, run int) (measure.Values, error)
}

// backlog is what lies in the source's WAL.
type backlog struct {
	end     int64 // a position within it that only its last transaction is behind
	changes int64
}

func (o *options) chosen(x mix) []subject {
	all := []subject{ours()}
	for _, binary := range []bool{false, true} {
		for _, streaming := range []bool{false, true} {
			if !binary || x.binary {
				all = append(all, native(streaming, binary))
			}
		}
		all = append(all, decoding(binary))
	}
	return measure.Chosen(all, o.subjects, func(s subject) string { return s.name })
}

// drains is a scenario: every subject drains the same backlog.
func (o *options) drains(ctx context.Context, r *measure.Report, x mix) (err error) {
	w, err := o.open(ctx, r, x)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	subjects := o.chosen(x)
	b, err := w.pileUp(ctx, subjects)
	if err != nil {
		return fmt.Errorf("make a backlog: %w", err)
	}
	g := r.Group("Draining a backlog of "+x.title, "seconds")
	g.Fact("backlog", "%d changes; seconds from the moment at which the slot is in use until the target has all", b.changes)
	into := make([]*measure.Subject, len(subjects))
	for i, s := range subjects {
		into[i] = g.Subject(s.name, s.role, s.how)
	}
	err = measure.Interleave(o.runs(), len(subjects), func(run, i int) error {
		if err := w.Checkpoint(ctx); err != nil { // no run pays for what another one wrote
			return err
		}
		v, err := subjects[i].drain(ctx, w, b, run)
		if err != nil {
			return fmt.Errorf("%s, run %d: %w", subjects[i].name, run+1, err)
		}
		v["changes_per_second"] = float64(b.changes) / v["seconds"]
		w.log.Info("drained", "by", subjects[i].name, "run", run+1, "changes/s", fmt.Sprintf("%.0f", v["changes_per_second"]),
			"others", fmt.Sprintf("%.0f %%", 100*v["other_share"]))
		into[i].Add(v)
		return nil
	})
	g.Compare()
	g.Ratios()
	return err
}

// pileUp makes every slot, writes the backlog, and counts it.
func (w *world) pileUp(ctx context.Context, subjects []subject) (*backlog, error) {
	for run := range w.runs() {
		for _, s := range subjects {
			if err := s.prepare(ctx, w, run); err != nil {
				return nil, fmt.Errorf("prepare %s: %w", s.name, err)
			}
		}
	}
	const counting = "counting"
	if err := w.slot(ctx, counting); err != nil {
		return nil, err
	}
	w.log.Info("write a backlog", "of", w.mix.name)
	if err := w.mix.write(ctx, w); err != nil {
		return nil, err
	}
	b := &backlog{}
	var err error
	if b.end, err = w.mark(ctx); err != nil {
		return nil, err
	}
	b.changes, err = w.decode(ctx, counting, b.end, false)
	return b, err
}

// slot makes one, once there is a publication, which must be older.
func (w *world) slot(ctx context.Context, name string) error {
	n, err := w.Source.Value(ctx, sourceDB, "SELECT count(*) FROM pg_publication WHERE pubname = $1", peer.Subscription)
	if err == nil && n == "0" {
		err = w.Source.Exec(ctx, sourceDB, "CREATE PUBLICATION "+peer.Subscription+" FOR ALL TABLES")
	}
	if err == nil {
		err = w.Source.Exec(ctx, sourceDB, "SELECT pg_create_logical_replication_slot('"+name+"', 'pgoutput')")
	}
	return err
}

// mark commits a last transaction and returns a position that only that passes.
func (w *world) mark(ctx context.Context) (int64, error) {
	c, err := w.Source.Open(ctx, sourceDB)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	end, err := peer.End(ctx, c)
	if err != nil {
		return 0, err
	}
	return end, c.Exec(ctx, w.mix.mark)
}

// clock measures a drain. begin lets somebody use the slot, and returns at once.
func (w *world) clock(ctx context.Context, meter peer.Meter, slot string, begin func(context.Context) error, at *peer.Reader, b *backlog, alive func() error) (measure.Values, error) {
	defer at.Close()
	used, err := w.Source.Open(ctx, sourceDB)
	if err != nil {
		return nil, err
	}
	defer used.Close()
	if err := begin(ctx); err != nil {
		return nil, err
	}
	err = peer.Until(ctx, slotPoll, func() (bool, error) {
		active, err := used.Value(ctx, "SELECT active FROM pg_replication_slots WHERE slot_name = $1", slot)
		return active == "t", errors.Join(err, alive())
	})
	if err != nil {
		return nil, err
	}
	return meter.Clock(ctx, func(ctx context.Context) error { return at.Passes(ctx, b.end, alive) })
}
