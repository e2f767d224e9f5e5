package main

import (
	"context"
	"fmt"
	"strings"

	"replicator/bench/measure"
	"replicator/bench/wire"
)

// compareMoves asks who moves the database fastest, for every rate and distance.
func compareMoves(ctx context.Context, w *world, r *measure.Report, o options) error {
	for _, mbit := range o.rates {
		for _, rtt := range o.rtts {
			l, err := w.lay(ctx, wire.Link{Mbit: mbit, RTT: rtt})
			if err != nil {
				return err
			}
			g := r.Group("Moving the database over "+l.String(), "seconds")
			w.capacity[mbit].fact(g)
			if err := w.interleave(ctx, g, l, o.chosen(subjects()), o.runs); err != nil {
				return err
			}
		}
	}
	return nil
}

func subjects() []subject { return append(append([]subject{ours()}, peers()...), reference()) }

// chosen are those that --subject names.
func (o options) chosen(all []subject) (some []subject) {
	for _, s := range all {
		for _, word := range o.subjects {
			if strings.Contains(s.name, word) {
				some = append(some, s)
				break
			}
		}
	}
	if len(o.subjects) == 0 {
		return all
	}
	return some
}

// interleave lets every subject move the database, runs times, into a group.
func (w *world) interleave(ctx context.Context, g *measure.Group, l *wire.Link, subjects []subject, runs int) error {
	into := make([]*measure.Subject, len(subjects))
	for i, s := range subjects {
		into[i] = g.Subject(s.name, s.role, s.how)
	}
	return measure.Interleave(runs, len(subjects), func(run, i int) error {
		s := subjects[i]
		v, err := w.try(ctx, s, l)
		if err != nil {
			return fmt.Errorf("%s, run %d: %w", s.name, run+1, err)
		}
		w.log.Info("moved", "by", s.name, "over", l.String(), "run", run+1, "seconds", fmt.Sprintf("%.1f", v["seconds"]))
		into[i].Add(v)
		g.Compare()
		return nil
	})
}
