package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"replicator/replicator/fault"
	"replicator/wal"
	"replicator/wal/pgoutput"
)

// markerPrefix is the prefix of the engine's own logical messages.
const markerPrefix = "replicator"

// message takes one pgoutput message of size bytes.
func (a *applier) message(ctx context.Context, lsn wal.LSN, size int64) error {
	m := &a.msg
	a.headless()
	switch m.Kind {
	case 'B':
		return a.begin()
	case 'C':
		return a.commit(ctx)
	case 'R':
		a.relations.describe(m.Relation)
		return nil
	case 'Y', 'O':
		return nil // types are the target's own; where a change first came from does not matter
	case 'M':
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
	return a.idle(ctx)
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

// collectRow appends the row change in a.msg if it is due.
func (a *applier) collectRow(ctx context.Context) error {
	m := &a.msg
	rel, err := a.relation(ctx, m.RelationID)
	if err != nil {
		return fmt.Errorf("transaction committed at %s: %w", a.tx.commit, err)
	}
	if err := rel.check(m); err != nil {
		return fmt.Errorf("transaction committed at %s: table %s: %w", a.tx.commit, rel.table, err)
	}
	if rel.full() {
		return a.collectFull(rel)
	}
	return a.collectKeyed(rel)
}

// check refuses tuples that do not fit their relation, and values that binary does not carry.
func (rel *relation) check(m *pgoutput.Message) error {
	n := len(rel.wire.Columns)
	if m.Kind != 'D' && len(m.New) != n || m.OldKind != 0 && len(m.Old) != n {
		return fmt.Errorf("tuple does not have the relation's %d columns", n)
	}
	if m.Kind == 'D' && m.OldKind == 0 || rel.full() && m.Kind != 'I' && m.OldKind != 'O' {
		return fmt.Errorf("change without the old row")
	}
	for i, j := range rel.from {
		if rel.cols[i].opaque && (m.Kind != 'D' && m.New[j].Kind == 'b' || m.OldKind != 0 && m.Old[j].Kind == 'b') {
			return fault.New(fault.Preflight,
				fmt.Errorf("column %s of type %s came in binary, which carries an object's number in place of its name",
					rel.cols[i].name, rel.cols[i].kind), "stream this job in text")
		}
	}
	return nil
}

func (a *applier) collectFull(rel *relation) error {
	due, _, err := a.due(rel, nil)
	if err != nil || !due {
		return err
	}
	c := change{op: a.msg.Kind, rel: rel, key: -1, row: -1}
	if c.op != opInsert {
		c.key = a.keep(rel, a.msg.Old)
	}
	if c.op != opDelete {
		c.row = a.keep(rel, a.msg.New)
	}
	a.push(c)
	return nil
}

// keep copies the travelling columns of a tuple into the arena; their bytes stay in the frame.
func (a *applier) keep(rel *relation, tuple []pgoutput.Value) int32 {
	at := int32(len(a.win.values))
	for _, j := range rel.from {
		a.win.values = append(a.win.values, tuple[j])
	}
	a.win.bytes += valueSize * int64(len(rel.from))
	return at
}

// keepKey copies the key out of a tuple.
func (a *applier) keepKey(rel *relation, tuple []pgoutput.Value) (int32, error) {
	at := int32(len(a.win.values))
	for _, i := range rel.key {
		v := tuple[rel.from[i]]
		if v.Kind != 'b' && v.Kind != 't' {
			return 0, fmt.Errorf("transaction committed at %s: table %s: key column %s without a value",
				a.tx.commit, rel.table, rel.cols[i].name)
		}
		a.win.values = append(a.win.values, v)
	}
	a.win.bytes += valueSize * int64(len(rel.key))
	return at, nil
}

// relation is the checked relation of a change. When it replaces another version of itself the
// changes so far are a segment of their own: a fold never mixes two.
func (a *applier) relation(ctx context.Context, id uint32) (*relation, error) {
	rel, err := a.relations.of(ctx, a, id)
	if err == nil && a.relations.replaced {
		a.relations.replaced = false
		a.push(change{op: opBarrier, key: -1, row: -1})
	}
	return rel, err
}

func (a *applier) push(c change) {
	c.tx = int32(len(a.win.txs) - 1)
	a.win.changes = append(a.win.changes, c)
}

// keyAt is the key at an offset of the arena.
func (w *window) keyAt(rel *relation, at int32) []pgoutput.Value {
	return w.values[at : int(at)+len(rel.key)]
}

// rowAt is the row at an offset of the arena.
func (w *window) rowAt(rel *relation, at int32) []pgoutput.Value {
	return w.values[at : int(at)+len(rel.cols)]
}

func (a *applier) collectKeyed(rel *relation) error {
	m := &a.msg
	old := m.New
	if m.OldKind != 0 {
		old = m.Old
	}
	if m.Kind == 'U' && m.OldKind != 0 {
		// A key value that is kept out of line is unchanged when it does not travel.
		for _, i := range rel.key {
			if j := rel.from[i]; m.New[j].Kind == 'u' {
				m.New[j] = m.Old[j]
			}
		}
	}
	key, err := a.keepKey(rel, old)
	if err != nil {
		return err
	}
	if m.Kind == 'U' && m.OldKind != 0 {
		next, err := a.keepKey(rel, m.New)
		if err != nil {
			return err
		}
		if !sameKey(a.win.keyAt(rel, key), a.win.keyAt(rel, next)) {
			return a.collectMove(rel, key, next)
		}
		a.win.values = a.win.values[:next]
	}
	due, _, err := a.due(rel, a.win.keyAt(rel, key))
	if err != nil {
		return err
	}
	if !due {
		a.win.values = a.win.values[:key]
		return nil
	}
	c := change{op: m.Kind, rel: rel, key: key, row: -1}
	if c.op != opDelete {
		c.row = a.keep(rel, m.New)
	}
	a.push(c)
	return nil
}

// collectMove judges an update that moves the key per side: the old key as a delete in its chunk,
// the new key as an insert in its chunk.
func (a *applier) collectMove(rel *relation, key, next int32) error {
	m := &a.msg
	if m.OldKind == 'O' { // the whole old row: unchanged values are known
		for i := range m.New {
			if m.New[i].Kind == 'u' {
				m.New[i] = m.Old[i]
			}
		}
	}
	gone, _, err := a.due(rel, a.win.keyAt(rel, key))
	if err != nil {
		return err
	}
	come, chunk, err := a.due(rel, a.win.keyAt(rel, next))
	if err != nil {
		return err
	}
	switch {
	case gone && come:
		a.push(change{op: opMove, rel: rel, key: key, row: a.keep(rel, m.New)})
	case gone:
		a.win.values = a.win.values[:next]
		a.push(change{op: opDelete, rel: rel, key: key, row: -1})
	case come:
		row := a.keep(rel, m.New)
		if slices.ContainsFunc(a.win.rowAt(rel, row), unchanged) {
			return &RecopyError{Table: rel.table.Ordinal, Chunk: chunk}
		}
		a.push(change{op: opInsert, rel: rel, key: next, row: row})
	default:
		a.win.values = a.win.values[:key]
	}
	return nil
}

func unchanged(v pgoutput.Value) bool { return v.Kind == 'u' }

func sameKey(a, b []pgoutput.Value) bool {
	return slices.EqualFunc(a, b, func(x, y pgoutput.Value) bool {
		return x.Kind == y.Kind && string(x.Data) == string(y.Data)
	})
}
