package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"replicator/bench/measure"
	"replicator/bench/proxy"
	"replicator/bench/wire"
)

// outage is a way in which a link goes away and comes back.
type outage struct {
	name, how  string
	begin, end func(context.Context, *move) error
}

// outages a wide-area link knows.
var outages = []outage{
	{
		name: "connections closed", how: "the proxy closes them, and new ones as soon as they are made",
		begin: func(_ context.Context, m *move) error { m.link.Each((*proxy.Proxy).Cut); return nil },
		end:   func(_ context.Context, m *move) error { m.link.Each((*proxy.Proxy).Resume); return nil },
	},
	{
		name: "connections forgotten", how: "the proxy swallows everything and tells nobody; what it has swallowed from stays silent",
		begin: func(_ context.Context, m *move) error { m.link.Each((*proxy.Proxy).HalfOpen); return nil },
		end:   func(_ context.Context, m *move) error { m.link.Each((*proxy.Proxy).Resume); return nil },
	},
	{
		name: "wire unplugged", how: "ip link set down, and up again",
		begin: func(ctx context.Context, m *move) error { return m.link.Plug(ctx, "down") },
		end:   func(ctx context.Context, m *move) error { return m.link.Plug(ctx, "up") },
	},
}

const (
	cutRTT  = 20 * time.Millisecond
	cutRate = 40 // acts of the wards a second
)

// compareOutages asks how long after the link's return the stream goes on. The wards write all the time.
func compareOutages(ctx context.Context, w *world, r *measure.Report, o options) error {
	l, err := w.lay(ctx, wire.Link{Mbit: distanceMbit, RTT: cutRTT, Always: true})
	if err != nil {
		return err
	}
	g := r.Group(fmt.Sprintf("After the link was away for %s, over %s", o.outage, l), "resume_seconds")
	g.Fact("resumed", "seconds from the link's return until the target's position moves; caught up: until it passes where the source was at that moment")
	var into []*measure.Subject
	for _, out := range outages {
		into = append(into, g.Subject(out.name, measure.Ours, out.how))
	}
	return measure.Interleave(o.runs, len(outages), func(run, i int) error {
		v, err := w.interrupt(ctx, l, outages[i], o.outage)
		if err != nil {
			return fmt.Errorf("%s, run %d: %w", outages[i].name, run+1, err)
		}
		w.log.Info("link was away", "how", outages[i].name, "run", run+1, "resumed after", fmt.Sprintf("%.2f s", v["resume_seconds"]))
		into[i].Add(v)
		return nil
	})
}

// interrupt follows, takes the link away for so long, and measures what its return brings.
func (w *world) interrupt(ctx context.Context, l *wire.Link, out outage, away time.Duration) (v measure.Values, err error) {
	m, err := w.follow(ctx, l, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.end(context.WithoutCancel(ctx), ours())) }()
	wards, quiet := context.WithCancel(ctx)
	defer quiet()
	wrote := make(chan error, 1)
	go func() {
		_, err := m.wards(wards, cutRate, 0)
		wrote <- err
	}()
	v, err = m.interrupt(ctx, out, away)
	quiet()
	if err := errors.Join(err, <-wrote); err != nil {
		return nil, err
	}
	end, err := m.mark(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.passes(ctx, end); err != nil {
		return nil, err
	}
	return v, m.same(ctx)
}

func (m *move) interrupt(ctx context.Context, out outage, away time.Duration) (measure.Values, error) {
	now, err := m.sourceEnd(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.passes(ctx, now); err != nil { // the wards' changes flow
		return nil, err
	}
	if err := out.begin(ctx, m); err != nil {
		return nil, err
	}
	timer := time.NewTimer(away)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), out.end(context.WithoutCancel(ctx), m))
	}
	stood, err := m.watcher.Position(ctx)
	if err != nil {
		return nil, err
	}
	if now, err = m.sourceEnd(ctx); err != nil {
		return nil, err
	}
	if err := out.end(ctx, m); err != nil {
		return nil, err
	}
	back := time.Now()
	if err := m.passes(ctx, stood); err != nil {
		return nil, err
	}
	resumed := time.Since(back)
	if err := m.passes(ctx, now); err != nil {
		return nil, err
	}
	return measure.Values{"resume_seconds": resumed.Seconds(), "caught_up_seconds": time.Since(back).Seconds()}, nil
}
