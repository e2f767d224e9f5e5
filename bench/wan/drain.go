package main

import (
	"context"
	"errors"
	"fmt"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/bench/wire"
)

// compareDrains asks how fast a backlog in the change log is applied, over the link and in process.
// The backlog grows while the target's server is down; the clock runs from its first window to its
// last, so that nobody's pause before a new attempt counts.
func compareDrains(ctx context.Context, w *world, r *measure.Report, o options) error {
	for _, mbit := range o.rates {
		l, err := w.lay(ctx, wire.Link{Mbit: mbit})
		if err != nil {
			return err
		}
		g := r.Group("Draining a backlog of the wards' changes, over "+l.String(), "seconds")
		g.Fact("backlog", "%d rows or some more, scanned documents among them, written as fast as it goes while the target's server is down", o.backlog)
		w.capacity[mbit].fact(g)
		if err := w.interleaveDrains(ctx, g, l, o); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) interleaveDrains(ctx context.Context, g *measure.Group, l *wire.Link, o options) error {
	into := []*measure.Subject{
		g.Subject("in process", measure.Reference, "seed --target"),
		g.Subject("over the link", measure.Ours, "seed --target-host"),
	}
	return measure.Interleave(o.runs, len(into), func(run, i int) error {
		v, err := w.drain(ctx, l, i == 0, o.backlog)
		if err != nil {
			return fmt.Errorf("%s, run %d: %w", into[i].Name, run+1, err)
		}
		w.log.Info("drained", "how", into[i].Name, "over", l.String(), "run", run+1, "rows per second", fmt.Sprintf("%.0f", v["rows_per_second"]))
		into[i].Add(v)
		compareRates(into)
		return nil
	})
}

// compareRates holds rows per second of the link against those in process: backlogs are not of
// exactly one size.
func compareRates(into []*measure.Subject) {
	if near := into[0].Median["rows_per_second"]; near > 0 && into[1].Median != nil {
		into[1].Median["versus_first"] = into[1].Median["rows_per_second"] / near
	}
}

func (w *world) drain(ctx context.Context, l *wire.Link, near bool, rows int64) (v measure.Values, err error) {
	m, err := w.follow(ctx, l, near)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.end(context.WithoutCancel(ctx), ours())) }()
	backlog, wrote, err := m.pileUp(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("make a backlog: %w", err)
	}
	if err := m.Target.StartAgain(ctx); err != nil {
		return nil, err
	}
	if err := m.passes(ctx, backlog.from); err != nil {
		return nil, err
	}
	// From here it drains; what the first windows took is before the clock and counted out.
	first, err := m.watcher.Position(ctx)
	if err != nil {
		return nil, err
	}
	v, _, err = m.clock(ctx, func(ctx context.Context, m *move) error { return m.passes(ctx, backlog.to) })
	if err != nil {
		return nil, err
	}
	share := float64(backlog.to-first) / float64(backlog.to-backlog.from)
	v["rows_per_second"] = float64(wrote) * share / v["seconds"]
	v["wire_share"] = v["wire_bytes"] / v["seconds"] / w.capacity[l.Mbit].frames
	v["wal_bytes_per_second"] = float64(backlog.to-first) / v["seconds"]
	return v, m.same(ctx)
}

// span is a piece of the source's WAL.
type span struct{ from, to int64 }

// pileUp stops the target's server, lets the wards write, and returns when the change log has it all.
func (m *move) pileUp(ctx context.Context, rows int64) (backlog span, wrote int64, err error) {
	if backlog.from, err = m.mark(ctx); err != nil {
		return backlog, 0, err
	}
	if err = m.passes(ctx, backlog.from); err != nil {
		return backlog, 0, err
	}
	if backlog.from, err = m.watcher.Position(ctx); err != nil {
		return backlog, 0, err
	}
	if err = m.Target.Stop(ctx, "fast"); err != nil {
		return backlog, 0, err
	}
	stats, err := m.wards(ctx, 0, rows)
	if err != nil {
		return backlog, 0, err
	}
	if backlog.to, err = m.mark(ctx); err != nil {
		return backlog, 0, err
	}
	return backlog, stats.Rows, m.logged(ctx, backlog.to)
}

// logged returns when the change log has everything up to a position, and so the source may forget it.
func (m *move) logged(ctx context.Context, position int64) error {
	c, err := m.Source.Open(ctx, m.From)
	if err != nil {
		return err
	}
	defer c.Close()
	return peer.Until(ctx, peer.Poll, func() (bool, error) {
		v, err := c.Value(ctx, "SELECT count(*) FROM pg_replication_slots WHERE database = $1 AND confirmed_flush_lsn - '0/0' > $2::numeric",
			sourceDB, fmt.Sprint(position))
		return v == "1", errors.Join(err, m.engine.Ended())
	})
}
