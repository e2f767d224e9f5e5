package apply

import "slices"

// passes reports whether the running transaction's changes of a relation are not due whatever their
// rows are, so that nobody has to understand them: a table that was taken through again was read with
// the columns that it has now, and what was written to it before has others.
func (a *applier) passes(id uint32) bool {
	if a.cfg.Filter == nil && len(a.cfg.Skip) == 0 {
		return false
	}
	passed, known := a.passed[id]
	if !known {
		passed = slices.Contains(a.cfg.Skip, id) || a.seenWhole(id)
		a.passed[id] = passed
	}
	return passed
}

// seenWhole reports whether every chunk of a relation's table has seen the running transaction. The
// table is known by its OID: it may have had another name.
func (a *applier) seenWhole(id uint32) bool {
	t := a.relations.byOID[id]
	if t == nil || a.cfg.Filter == nil {
		return false
	}
	n := a.cfg.Filter.Chunks(t.Ordinal)
	for c := range n {
		if !a.cfg.Filter.Seen(t.Ordinal, c, a.tx.xid) {
			return false
		}
	}
	return n > 0
}
