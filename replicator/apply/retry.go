package apply

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal"
)

// RestartError says that the running transaction cannot be tried again from memory: read the
// source again from the target's position and call Run again. Nothing is lost and nothing of
// the transaction is committed, except where the outcome of its COMMIT was not told; the
// position row knows.
type RestartError struct{ Err error }

func (e *RestartError) Error() string { return "start again from the position: " + e.Err.Error() }

func (e *RestartError) Unwrap() error { return e.Err }

// Backoff between attempts to reach the target.
const (
	firstWait = 100 * time.Millisecond
	maxWait   = 10 * time.Second
)

// connect opens the first session and takes its position.
func (a *applier) connect(ctx context.Context) error {
	at, err := a.dial(ctx)
	if err != nil {
		return err
	}
	a.position, a.report.now.Applied = at, at
	return nil
}

// dial opens a session, however long that takes, and reads the position.
func (a *applier) dial(ctx context.Context) (wal.LSN, error) {
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		s, err := openSession(ctx, &a.cfg, a.missed)
		if err == nil {
			var at wal.LSN
			if at, err = s.position(ctx); err == nil {
				a.session = s
				return at, nil
			}
			s.close()
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if !again(err) {
			if errors.As(err, new(*fault.Error)) {
				return 0, err
			}
			return 0, fault.New(fault.Target, fmt.Errorf("connect to the target: %w", err), "")
		}
		a.cfg.Logger.Warn("target is out of reach", "error", pg.Clean(err), "retry_in", wait)
		if err := sleep(ctx, wait); err != nil {
			return 0, err
		}
	}
}

// reconnect replaces the session after cause. committed says that the transaction which was to
// move the position to to had gone through.
func (a *applier) reconnect(ctx context.Context, cause error, to wal.LSN) (committed bool, err error) {
	a.cfg.Logger.Warn("trying again on a new connection", "position", a.position, "error", pg.Clean(cause), "lost", pg.Lost(cause))
	a.session.close()
	if err := sleep(ctx, firstWait/10); err != nil {
		return false, err
	}
	at, err := a.dial(ctx)
	switch {
	case err != nil:
		return false, err
	case at == a.position:
		return false, nil
	case at == to:
		return true, nil
	case at < a.position:
		return false, &RestartError{Err: fmt.Errorf("the target went back from %s to %s", a.position, at)}
	}
	return false, fault.New(fault.Fenced, fmt.Errorf("the target's position is %s, neither %s nor %s: somebody else applies", at, a.position, to), "")
}

// query is a catalog query outside of any window's transaction, or inside a large one's.
func (a *applier) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	for {
		rows, err := a.session.query(ctx, sql, args...)
		switch {
		case err == nil || !again(err):
			return rows, err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case a.big:
			return nil, &RestartError{Err: err}
		}
		if _, err := a.reconnect(ctx, err, a.position); err != nil {
			return nil, err
		}
	}
}

func (a *applier) missed(rel *relation, n int64) { a.miss[rel.table.Ordinal] += n }

// sleep waits about d.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
