package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// A transaction larger than a window is applied in pieces inside one target transaction, each
// piece under a savepoint, so that a set operation that stumbles is replayed in order from
// where the piece began. The pieces are gone from memory once applied; a lost connection is
// therefore a RestartError.

const pieceSavepoint = "replicator_piece"

// overflow makes room in a full window while a transaction is being read.
func (a *applier) overflow(ctx context.Context) error {
	if a.win.done.txs > 0 || a.win.done.changes > 0 || a.win.end > a.position {
		if err := a.flush(ctx); err != nil {
			return err
		}
		if !a.win.full(a.cfg.Limits) {
			return nil
		}
	}
	return a.piece(ctx)
}

// piece applies what the window holds of the transaction being read.
func (a *applier) piece(ctx context.Context) error {
	if !a.big {
		clear(a.miss)
		if err := a.session.begin(ctx, a.position); err != nil {
			return a.pieceError(ctx, err)
		}
		a.big, a.bigCount = true, tally{transactions: 1}
	}
	if err := a.applyPiece(ctx); err != nil {
		return a.pieceError(ctx, err)
	}
	a.bigCount.changes += int64(len(a.win.changes))
	a.bigCount.bytes += a.win.bytes
	a.exec.release()
	a.win.piece(a.in.release)
	return nil
}

func (a *applier) applyPiece(ctx context.Context) error {
	s, missed := a.session, maps.Clone(a.miss)
	if err := s.open(ctx); err != nil {
		return err
	}
	s.send("SAVEPOINT "+pieceSavepoint, expected{})
	if err := s.drain(ctx); err != nil {
		return err
	}
	err := a.executor().apply(ctx, a.win.changes, false)
	if err == nil {
		err = s.drain(ctx)
	}
	if err != nil && replayable(err) {
		a.cfg.Logger.Info("replaying a piece in order", "commit", a.tx.commit, "sqlstate", pg.State(err))
		a.miss = missed
		if err := s.recover(ctx, "ROLLBACK TO SAVEPOINT "+pieceSavepoint); err != nil {
			return err
		}
		if err = a.executor().apply(ctx, a.win.changes, true); err == nil {
			err = s.drain(ctx)
		}
	}
	if err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	s.send("RELEASE SAVEPOINT "+pieceSavepoint, expected{})
	return s.drain(ctx)
}

// finishBig applies the last piece and commits.
func (a *applier) finishBig(ctx context.Context) error {
	a.win.txs[0] = a.tx
	if err := a.piece(ctx); err != nil {
		return err
	}
	if err := a.seal(ctx, a.tx.end); err != nil {
		return a.pieceError(ctx, err)
	}
	a.big = false
	a.position, a.stored = a.tx.end, time.Now()
	a.hasCarried()
	a.bigCount.time, a.bigCount.skipped = a.tx.time, a.win.skipped
	a.told(a.bigCount)
	a.win.complete()
	a.win.shift(a.in.release)
	if a.found {
		return errFound
	}
	return nil
}

func (a *applier) pieceError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errMoved) { // no COMMIT of ours has an open outcome here
		return fault.New(fault.Fenced, fmt.Errorf("%w: somebody else applies", err), "")
	}
	if again(err) {
		return &RestartError{Err: err}
	}
	return a.explain(err)
}
