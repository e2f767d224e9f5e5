package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal"
)

// tally is what a target transaction will add to the progress.
type tally struct {
	transactions, changes, skipped, bytes int64
	time                                  time.Time
}

// flush commits the complete part of the window, if it moves anything, and reports.
func (a *applier) flush(ctx context.Context) error {
	if a.big {
		return errors.New("apply: a commit is due while the pieces of a large transaction stand uncommitted")
	}
	w := &a.win
	t := tally{transactions: w.done.written, changes: int64(w.done.changes), skipped: w.done.skipped, bytes: w.done.bytes}
	if n := w.done.txs; n > 0 {
		t.time = w.txs[n-1].time
	}
	if w.done.changes > 0 || w.end > a.position {
		if err := a.commitWindow(ctx, max(w.end, a.position)); err != nil {
			return err
		}
	}
	a.told(t)
	a.exec.release()
	w.shift(a.in.release)
	if a.found {
		return errFound
	}
	return nil
}

// told reports what was committed.
func (a *applier) told(t tally) {
	r := a.report
	r.now.Applied = a.position
	if !t.time.IsZero() {
		r.now.CommitTime = t.time
	}
	r.now.Transactions += t.transactions
	r.now.Changes += t.changes
	r.now.Skipped += t.skipped
	r.now.Bytes += t.bytes
	r.now.TransactionsSinceMarker = a.since
	r.mark(a.win.markers)
	for _, m := range a.win.markers {
		a.found = a.found || m.name == a.cfg.Until && m.name != ""
	}
	r.miss(a.miss)
	clear(a.miss)
	a.cfg.Progress(r.now)
}

// commitWindow brings the complete part of the window to the target and moves its position to
// to, in one transaction; again and again until it is known to be there.
func (a *applier) commitWindow(ctx context.Context, to wal.LSN) error {
	inOrder := false
	for {
		err := a.attempt(ctx, to, inOrder)
		if err == nil {
			a.position, a.stored = to, time.Now()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !inOrder && replayable(err) {
			inOrder = true
			a.cfg.Logger.Info("replaying a window in order", "from", a.position, "to", to, "sqlstate", pg.State(err))
			if err = a.session.rollback(ctx); err == nil {
				continue
			}
		}
		if !again(err) {
			return a.stopAt(ctx, err)
		}
		committed, err := a.reconnect(ctx, err, to)
		if err != nil {
			return err
		}
		if committed {
			a.position, a.stored = to, time.Now()
			return nil
		}
	}
}

// attempt is one transaction on the target.
func (a *applier) attempt(ctx context.Context, to wal.LSN, inOrder bool) error {
	clear(a.miss)
	if err := a.session.begin(ctx, a.position); err != nil {
		return err
	}
	if err := a.executor().apply(ctx, a.win.changes[:a.win.done.changes], inOrder); err != nil {
		return err
	}
	return a.seal(ctx, to)
}

// seal moves the position and commits.
func (a *applier) seal(ctx context.Context, to wal.LSN) error {
	if err := a.session.open(ctx); err != nil {
		return err
	}
	a.session.advance(to)
	if err := a.session.drain(ctx); err != nil {
		return err
	}
	a.cfg.Hook(BeforeCommit)
	if err := a.session.commit(ctx); err != nil {
		return err
	}
	a.cfg.Hook(AfterCommit)
	return nil
}

// executor is set to the session and the arena, both of which change.
func (a *applier) executor() *executor {
	x := &a.exec
	x.s, x.fold, x.values = a.session, &a.fold, a.win.values
	if a.cfg.Filter != nil {
		x.where = a.cfg.Filter.Where
	}
	return x
}

// replayable reports errors that replay in order may get around: constraints that a set operation
// meets halfway, values or sizes that only fail as a set. Replay that meets them again has met
// a real difference.
func replayable(err error) bool {
	switch s := pg.State(err); {
	case s == "":
		return false
	default:
		return s[:2] == "23" || s[:2] == "22" || s[:2] == "54"
	}
}

// again reports errors after which the same window is tried on a new connection.
func again(err error) bool {
	return pg.Lost(err) || pg.Transient(err) || errors.Is(err, errMoved)
}

// explain makes err the operator's: the source transaction where it is known, and an exit code.
func (a *applier) explain(err error) error {
	where := "apply"
	var f *failure
	if errors.As(err, &f) && f.tx >= 0 && int(f.tx) < len(a.win.txs) {
		where = fmt.Sprintf("apply transaction committed at %s", a.win.txs[f.tx].commit)
	} else if n := len(a.win.txs); n > 0 {
		where = fmt.Sprintf("apply transactions committed from %s to %s", a.win.txs[0].commit, a.win.txs[max(0, a.win.done.txs-1)].commit)
	}
	err = Unfit(fmt.Errorf("%s: %w", where, err))
	switch {
	case errors.As(err, new(*fault.Error)):
		return err
	case replayable(err):
		return fault.New(fault.Mismatch, err, "the target differs from the source there, or its schema does; verify names the rows")
	}
	return fault.New(fault.Target, err, "")
}

// Unfit gives its code and hint to an error of a value that the target cannot hold, although the row is
// right: a type there lacks it, or its encoding. Other errors stay as they are.
func Unfit(err error) error {
	switch pg.State(err) {
	case "22P02": // invalid_text_representation, of an enum in binary as well
		return fault.New(fault.Preflight, err, "a type has a value on the source that it lacks on the target, as after ALTER TYPE ... ADD VALUE: run the same statement on the target, then start again")
	case "42P01", "42883", "42704", "3F000": // undefined table, function, object, schema
		return fault.New(fault.Preflight, err, "the target lacks it: it was dropped there, or a column of a reg* type names what is made later, such as an index, and must be NULL until then")
	case "22021", "22P05": // character_not_in_repertoire, untranslatable_character
		return fault.New(fault.Preflight, err, "the table holds bytes that are no text in the target's encoding, as a source of SQL_ASCII may: mend these rows on the source, or move into a database of the source's encoding")
	}
	return err
}
