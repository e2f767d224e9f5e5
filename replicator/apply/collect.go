package apply

import (
	"context"
	"fmt"
	"time"

	"replicator/replicator/ddl"
	"replicator/wal"
)

// markerPrefix is the prefix of the engine's own logical messages.
const markerPrefix = "replicator"

// message takes one pgoutput message of size bytes.
func (a *applier) message(ctx context.Context, lsn wal.LSN, size int64) error {
	m := &a.msg
	a.headless()
	switch m.Kind {
	case 'B':
		if a.stopped(m.Begin.FinalLSN) {
			return a.stop(ctx)
		}
		return a.begin()
	case 'C':
		if err := a.commit(ctx); err != nil || !a.stopped(a.reached()) {
			return err
		}
		return a.stop(ctx)
	case 'R':
		a.relations.describe(m.Relation)
		return nil
	case 'Y', 'O':
		return nil // types are the target's own; where a change first came from does not matter
	case 'M':
		if a.msg.Prefix == ddl.Prefix {
			return a.statement(ctx)
		}
		return a.marker(ctx, lsn)
	case 'I', 'U', 'D', 'T':
		return a.written(ctx, size)
	}
	return fmt.Errorf("message of unknown kind %q at %s", m.Kind, lsn)
}

// headless lets a source begin inside a transaction: a segment of the log may start with the rest
// of one that committed at or before the position. Its commit is checked to lie there.
func (a *applier) headless() {
	m := &a.msg
	switch m.Kind {
	case 'B', 'I', 'U', 'D', 'T', 'C':
	case 'M':
		if !m.Transactional {
			return
		}
	default:
		return
	}
	if !a.begun && m.Kind != 'B' {
		a.inside, a.tx = true, transaction{skip: true}
	}
	a.begun = true
}

// reached is the position that the target stands at, or will once the window is committed.
func (a *applier) reached() wal.LSN { return max(a.position, a.win.end) }

func (a *applier) begin() error {
	if a.inside {
		return fmt.Errorf("transaction at %s begins inside another", a.msg.Begin.FinalLSN)
	}
	b := &a.msg.Begin
	a.inside = true
	clear(a.passed)
	a.tx = transaction{
		xid: b.XID, commit: b.FinalLSN, time: b.Time, frame: len(a.win.frames) - 1,
		// Positions stand between records, so a commit record that begins below one ends at
		// or below it; commit checks that.
		skip: b.FinalLSN < a.reached(),
	}
	if !a.tx.skip {
		a.win.txs = append(a.win.txs, a.tx)
	}
	return nil
}

func (a *applier) commit(ctx context.Context) error {
	c := &a.msg.Commit
	if !a.inside {
		return fmt.Errorf("commit at %s without begin", c.CommitLSN)
	}
	a.inside = false
	if a.tx.skip {
		if c.EndLSN > a.reached() {
			return fmt.Errorf("position %s lies inside the commit record %s to %s", a.reached(), c.CommitLSN, c.EndLSN)
		}
		a.count()
		a.passMarkers(c.EndLSN)
		if len(a.win.markers) > 0 {
			return a.flush(ctx)
		}
		return nil
	}
	if err := a.unexplained(); err != nil {
		a.inside = true
		return a.stopBefore(ctx, err)
	}
	a.tx.end, a.tx.time = c.EndLSN, c.Time
	a.count()
	a.passMarkers(c.EndLSN)
	if a.big {
		return a.finishBig(ctx)
	}
	a.win.txs[len(a.win.txs)-1] = a.tx
	a.win.complete()
	a.win.end = c.EndLSN
	if a.tx.written {
		a.win.done.written++
	}
	if a.win.done.changes == 0 {
		a.win.txs, a.win.done.txs = a.win.txs[:0], 0
	}
	a.age()
	if len(a.win.markers) > 0 || a.win.full(a.cfg.Limits) || a.stale() {
		return a.flush(ctx)
	}
	return a.idle(ctx)
}

// mark takes a position at which nothing is pending on the source.
func (a *applier) mark(ctx context.Context, lsn wal.LSN) error {
	if a.inside || lsn <= a.reached() {
		return nil
	}
	a.win.end = lsn
	if a.stopped(lsn) {
		return a.stop(ctx)
	}
	return a.idle(ctx)
}

// stopped reports whether lsn is where Config.Stop lies, or beyond.
func (a *applier) stopped(lsn wal.LSN) bool { return a.cfg.Stop != 0 && lsn >= a.cfg.Stop }

// stop commits what is complete and ends the run.
func (a *applier) stop(ctx context.Context) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	a.found = true
	return errFound
}

// markEvery is how often the position row follows a log without changes. The log can be trimmed
// that often; a commit each time costs the target nothing.
const markEvery = time.Second

// idle moves the position row alone, when it has been left behind for long enough.
func (a *applier) idle(ctx context.Context) error {
	if a.win.done.changes > 0 || time.Since(a.stored) < markEvery {
		return nil
	}
	return a.flush(ctx)
}

// count keeps the number that proves a fence.
func (a *applier) count() {
	if a.tx.written {
		a.since++
	}
}

// age starts the window's clock.
func (a *applier) age() {
	if a.win.opened.IsZero() && a.win.done.changes > 0 {
		a.win.opened = time.Now()
	}
}

func (a *applier) stale() bool {
	return !a.win.opened.IsZero() && time.Since(a.win.opened) >= a.cfg.Limits.Delay
}

// marker takes a logical message. A transactional one counts when its transaction commits.
func (a *applier) marker(ctx context.Context, lsn wal.LSN) error {
	if a.msg.Prefix != markerPrefix {
		return nil
	}
	a.pending = append(a.pending, string(a.msg.Content))
	if a.msg.Transactional {
		return nil
	}
	a.passMarkers(lsn)
	if lsn > a.reached() {
		a.win.end = lsn
	}
	return a.flush(ctx)
}

// passMarkers makes the pending markers part of the window.
func (a *applier) passMarkers(lsn wal.LSN) {
	for _, name := range a.pending {
		a.win.markers = append(a.win.markers, marker{name: name, lsn: lsn, before: a.since})
		a.since = 0
	}
	a.pending = a.pending[:0]
}

// written takes a row change or a TRUNCATE.
func (a *applier) written(ctx context.Context, size int64) error {
	if !a.inside {
		return fmt.Errorf("row change outside of a transaction")
	}
	a.tx.written = true
	if a.tx.skip {
		return nil
	}
	before := len(a.win.changes)
	var err error
	if a.msg.Kind == 'T' {
		err = a.collectTruncate(ctx)
	} else {
		err = a.collectRow(ctx)
	}
	if err != nil {
		return a.stopBefore(ctx, err)
	}
	if len(a.win.changes) == before {
		a.win.skipped++
		return nil
	}
	a.win.bytes += size
	if a.win.full(a.cfg.Limits) {
		return a.overflow(ctx)
	}
	return nil
}

// stopBefore ends Run with err, after everything before the running transaction is committed and
// nothing of it.
func (a *applier) stopBefore(ctx context.Context, err error) error {
	if rerr := a.restart(ctx); rerr != nil {
		return rerr
	}
	if ferr := a.flush(ctx); ferr != nil {
		return ferr
	}
	return err
}
