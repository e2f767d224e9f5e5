package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"replicator/bench/clinical/workload"
	"replicator/replicator/pg"
	"replicator/replicator/status"
)

// follow starts a job, in process where near, and returns when its target follows the source.
func (w *world) follow(ctx context.Context, l *link, near bool) (*move, error) {
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
	if m.engine, err = m.start(ctx, m.source.ns, m.seedArgs()...); err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		if err := m.engine.ended(); err != nil {
			return false, err
		}
		s, err := m.status(ctx)
		return s.Phase == status.Following, err
	})
}

// status asks the engine.
func (m *move) status(ctx context.Context) (s status.Status, err error) {
	out, err := exec.CommandContext(ctx, m.program, "status", "--json", "--dir", m.jobDir()).Output()
	if err != nil {
		return s, nil //nolint:nilerr // there is nothing to ask in the first moments; the engine's end is noticed elsewhere
	}
	return s, json.Unmarshal(out, &s)
}

// positionPoll is how often the target is asked how far it is.
const positionPoll = 10 * time.Millisecond

// position is how far the target has applied the source's WAL, in bytes; a target that is down has
// not come any further.
func (m *move) position(ctx context.Context) (n int64, err error) {
	if m.watcher == nil {
		if m.watcher, err = m.target.open(ctx, m.db); err != nil {
			m.watcher = nil
			return 0, nil
		}
	}
	v, err := m.watcher.Value(ctx, "SELECT min(lsn) - '0/0' FROM replicator.position")
	if err != nil {
		_ = m.watcher.Close() // it is lost already
		m.watcher = nil
		return 0, nil
	}
	_, err = fmt.Sscan(v, &n)
	return n, err
}

// passes returns when the target has come past a position; it fails when an end of ours ends.
func (m *move) passes(ctx context.Context, past int64) error {
	tick := time.NewTicker(positionPoll)
	defer tick.Stop()
	for {
		n, err := m.position(ctx)
		if err == nil {
			err = errors.Join(m.engine.ended(), m.service.ended())
		}
		if err != nil || n > past {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sourceEnd is how far the source's WAL goes, in the same bytes.
func (m *move) sourceEnd(ctx context.Context) (n int64, err error) {
	c, err := m.source.open(ctx, sourceDB)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return sourceEnd(ctx, c)
}

func sourceEnd(ctx context.Context, c *pg.Conn) (n int64, err error) {
	v, err := c.Value(ctx, "SELECT pg_current_wal_insert_lsn() - '0/0'")
	if err == nil {
		_, err = fmt.Sscan(v, &n)
	}
	return n, err
}

// mark commits a last transaction on the source and returns a position that the target passes with it.
func (m *move) mark(ctx context.Context) (n int64, err error) {
	c, err := m.source.open(ctx, sourceDB)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if n, err = sourceEnd(ctx, c); err != nil {
		return 0, err
	}
	return n, c.Exec(ctx, "UPDATE record.department SET floor = floor WHERE code = (SELECT min(code::text) FROM record.department)")
}

// wards lets the wards write until ctx ends or so many rows are written; rows 0: no end.
func (m *move) wards(ctx context.Context, rate float64, rows int64) (workload.Stats, error) {
	wl, err := workload.New(workload.Options{DSN: m.source.SocketDSN(sourceDB), Rate: rate, Seed: 1, Canary: "~", NoTruncate: true})
	if err != nil {
		return workload.Stats{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- wl.Run(ctx) }()
	tick := time.NewTicker(poll)
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
	want, err := readState(ctx, m.source, sourceDB)
	if err != nil {
		return err
	}
	got, err := readState(ctx, m.target, m.db)
	if err != nil {
		return err
	}
	return want.differs(got, false)
}
