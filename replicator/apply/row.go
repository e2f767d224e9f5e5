package apply

import (
	"context"
	"fmt"
	"slices"

	"replicator/replicator/fault"
	"replicator/wal/pgoutput"
)

// collectRow appends the row change in a.msg if it is due.
func (a *applier) collectRow(ctx context.Context) error {
	m := &a.msg
	if a.passes(m.RelationID) {
		return nil
	}
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
