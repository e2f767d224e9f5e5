package main

import (
	"context"
	"errors"
	"time"

	"replicator/bench/clinical/workload"
	"replicator/bench/peer"
	"replicator/bench/wire"
)

// follow starts a job, in process where near, and returns when its target follows the source.
func (w *world) follow(ctx context.Context, l *wire.Link, near bool) (*move, error) {
	m, err := w.newMove(ctx, l)
	if err != nil {
		return nil, err
	}
	if err := m.follow(ctx, near); err != nil {
		return nil, errors.Join(err, m.end(context.WithoutCancel(ctx), ours()))
	}
	return m, nil
}

func (m *move) follow(ctx context.Context, near bool) (err error) {
	if !near {
		if err := serve(ctx, m); err != nil {
			return err
		}
	}
	if m.engine, err = m.Start(ctx, m.FromPlace, m.seedArgs()...); err != nil {
		return err
	}
	return m.engine.Follows(ctx, m.jobDir())
}

// passes returns when the target has come past a position; it fails when an end of ours ends.
func (m *move) passes(ctx context.Context, past int64) error {
	return m.watcher.Passes(ctx, past, func() error { return errors.Join(m.engine.Ended(), m.service.Ended()) })
}

// sourceEnd is how far the source's WAL goes, in the same bytes.
func (m *move) sourceEnd(ctx context.Context) (n int64, err error) {
	c, err := m.Source.Open(ctx, m.From)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return peer.End(ctx, c)
}

// mark commits a last transaction on the source and returns a position that the target passes with it.
func (m *move) mark(ctx context.Context) (n int64, err error) {
	c, err := m.Source.Open(ctx, m.From)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if n, err = peer.End(ctx, c); err != nil {
		return 0, err
	}
	return n, c.Exec(ctx, "UPDATE record.department SET floor = floor WHERE code = (SELECT min(code::text) FROM record.department)")
}

// wards lets the wards write until ctx ends or so many rows are written; rows 0: no end.
func (m *move) wards(ctx context.Context, rate float64, rows int64) (workload.Stats, error) {
	wl, err := workload.New(workload.Options{DSN: m.Source.SocketDSN(m.From), Rate: rate, Seed: 1, Canary: "~", NoTruncate: true})
	if err != nil {
		return workload.Stats{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- wl.Run(ctx) }()
	tick := time.NewTicker(peer.Poll)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return wl.Stats(), err
		case <-tick.C:
			if rows > 0 && wl.Stats().Rows >= rows {
				stop()
			}
		}
	}
}

// same compares source and target, which both must be at rest.
func (m *move) same(ctx context.Context) error {
	return peer.Same(ctx, m.Source, m.From, m.Target, m.To)
}
