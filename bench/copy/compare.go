package main

import (
	"context"
	"errors"
	"fmt"

	"replicator/bench/measure"
	"replicator/bench/peer"
)

// subject is one way to copy a database.
type subject struct {
	name  string
	role  measure.Role
	how   string
	copy  func(context.Context, *attempt) error
	clean func(context.Context, *attempt) error // takes away what copy has left; may be nil
}

// attempt is one database being copied.
type attempt struct {
	*world
	*peer.Move
	parts measure.Values // what the subject measured of itself
}

// compare lets every subject copy the database, runs times, into a group.
func (w *world) compare(ctx context.Context, g *measure.Group, subjects []subject) error {
	subjects = w.chosen(subjects)
	into := make([]*measure.Subject, len(subjects))
	for i, s := range subjects {
		into[i] = g.Subject(s.name, s.role, s.how)
	}
	err := measure.Interleave(w.runs(), len(subjects), func(run, i int) error {
		v, err := w.try(ctx, subjects[i])
		if err != nil {
			return fmt.Errorf("%s, run %d: %w", subjects[i].name, run+1, err)
		}
		w.log.Info("copied", "by", subjects[i].name, "run", run+1, "seconds", fmt.Sprintf("%.2f", v["seconds"]),
			"others", fmt.Sprintf("%.0f %%", 100*v["other_share"]))
		into[i].Add(v)
		return nil
	})
	g.Compare()
	g.Ratios()
	return err
}

// chosen are those that --subject names.
func (o *options) chosen(all []subject) []subject {
	return measure.Chosen(all, o.subjects, func(s subject) string { return s.name })
}

// try lets s copy the database once and measures it.
func (w *world) try(ctx context.Context, s subject) (v measure.Values, err error) {
	m, err := w.Pair.Move(ctx, sourceDB, targetDB)
	if err != nil {
		return nil, err
	}
	a := &attempt{world: w, Move: m, parts: measure.Values{}}
	defer func() { err = errors.Join(err, a.leave(context.WithoutCancel(ctx), s)) }()
	v, err = m.Meter().Clock(ctx, func(ctx context.Context) error { return s.copy(ctx, a) })
	if err != nil {
		return nil, err
	}
	for name, x := range a.parts {
		v[name] = x
	}
	v["raw_bytes_per_second"] = float64(w.raw) / v["seconds"]
	v["tool_cpu_seconds_per_gb"] = v["tool_cpu_seconds"] / float64(w.raw) * 1e9
	v["tool_peak_bytes"] = float64(m.Peak())
	return v, w.check(ctx)
}

func (a *attempt) leave(ctx context.Context, s subject) (err error) {
	if s.clean != nil {
		if err = s.clean(ctx, a); err != nil {
			err = fmt.Errorf("clean up: %w", err)
		}
	}
	return errors.Join(err, a.Move.End(ctx))
}

// check holds the target against the source.
func (w *world) check(ctx context.Context) error {
	got, err := peer.ReadState(ctx, w.Target, targetDB)
	if err != nil {
		return fmt.Errorf("look at the target: %w", err)
	}
	rest, err := peer.ReadRest(ctx, w.Target, targetDB)
	if err != nil {
		return fmt.Errorf("look at the target: %w", err)
	}
	return errors.Join(w.want.Differs(got, false), w.rest.Differs(rest))
}
