package apply

import (
	"hash/maphash"

	"replicator/wal/pgoutput"
)

// The states of an entry: the net effect on one key so far.
const (
	stateFresh   = iota // nothing is known yet
	stateInsert         // not there before; there now
	stateUpdate         // there before and now; row has what changed
	stateDelete         // there before; gone
	stateReplace        // there before, gone, and there again as another row
	stateNothing        // not there before, and gone again
)

// entry is the net effect on one key of one table. Keys are told apart by their bytes. That is
// enough: a row's key always travels as it is stored, so one row never goes by two spellings at
// a time, and rows whose keys are equal in SQL but not in bytes (1.0 and 1.00) follow one
// another as delete and insert, which the set path keeps in that order.
type entry struct {
	rel      *relation
	hash     uint64
	key, row int32 // offsets in the arena
	state    byte
}

// effect is what a fold leaves of one relation.
type effect struct {
	touched bool
	kinds   []byte  // wire format of each key column, to see that it does not change
	deletes []int32 // key offsets
	inserts []int32 // row offsets
	groups  []group // updates, by the columns that they leave out
	ordered []int32 // changes of a table without key, in order
	cols    []int   // scratch: the columns of one statement
}

// group is updates that set the same columns.
type group struct{ keys, rows []int32 }

// folder reduces the changes of a segment. Its memory is reused from one to the next.
type folder struct {
	win     *window
	seed    maphash.Seed
	entries []entry
	slots   []int32 // hash table with open addressing: index in entries + 1
	touched []*relation
}

func (f *folder) init(w *window) { f.win, f.seed = w, maphash.MakeSeed() }

// fold reduces changes to f.touched. It reports false when only replay is right: a key moves
// while an unchanged TOAST value is not known, the changes contradict each other (the server
// will say how), or a key column changes its wire format.
//
// Unchanged TOAST values that the segment knows are filled into the rows. Replay of the same
// rows stays right, because it then sets the value that is there already.
func (f *folder) fold(changes []change) bool {
	f.reset(len(changes))
	for i := range changes {
		c := &changes[i]
		if c.op == opBarrier {
			continue
		}
		f.touch(c.rel)
		if c.rel.full() {
			c.rel.net.ordered = append(c.rel.net.ordered, int32(i))
			continue
		}
		if !f.apply(c) {
			return false
		}
	}
	for i := range f.entries {
		f.emit(&f.entries[i])
	}
	return true
}

func (f *folder) reset(n int) {
	for _, rel := range f.touched {
		rel.net.clear()
	}
	f.touched, f.entries = f.touched[:0], f.entries[:0]
	size := 64
	for size < 4*n { // a move takes two entries: at most half full
		size *= 2
	}
	if len(f.slots) < size || len(f.slots) > 16*size {
		f.slots = make([]int32, size)
		return
	}
	clear(f.slots)
}

func (n *effect) clear() {
	n.touched, n.kinds = false, n.kinds[:0]
	n.deletes, n.inserts, n.ordered = n.deletes[:0], n.inserts[:0], n.ordered[:0]
	for i := range n.groups {
		n.groups[i].keys, n.groups[i].rows = n.groups[i].keys[:0], n.groups[i].rows[:0]
	}
	n.groups = n.groups[:0]
}

func (f *folder) touch(rel *relation) {
	if !rel.net.touched {
		rel.net.touched = true
		f.touched = append(f.touched, rel)
	}
}

// apply brings one change of a keyed table into the entries.
func (f *folder) apply(c *change) bool {
	e := f.find(c.rel, c.key)
	if e == nil {
		return false
	}
	switch c.op {
	case opInsert:
		return f.insert(e, c.row)
	case opUpdate:
		return f.update(e, c.row)
	case opDelete:
		return f.remove(e)
	}
	return f.move(e, c)
}

func (f *folder) insert(e *entry, row int32) bool {
	switch e.state {
	case stateFresh, stateNothing:
		e.state = stateInsert
	case stateDelete:
		e.state = stateReplace
	default:
		return false
	}
	e.row = row
	return true
}

func (f *folder) update(e *entry, row int32) bool {
	switch e.state {
	case stateFresh:
		e.state = stateUpdate
	case stateInsert, stateUpdate, stateReplace:
		f.fill(e.rel, row, e.row)
	default:
		return false
	}
	e.row = row
	return true
}

func (f *folder) remove(e *entry) bool {
	switch e.state {
	case stateFresh, stateUpdate, stateReplace:
		e.state = stateDelete
	case stateInsert:
		e.state = stateNothing
	default:
		return false
	}
	return true
}

// move is delete and insert, if the whole row is known.
func (f *folder) move(e *entry, c *change) bool {
	switch e.state {
	case stateInsert, stateUpdate, stateReplace:
		f.fill(c.rel, c.row, e.row)
	}
	for _, v := range f.win.rowAt(c.rel, c.row) {
		if v.Kind == 'u' {
			return false
		}
	}
	if !f.remove(e) {
		return false
	}
	to := f.find(c.rel, c.key+int32(len(c.rel.key)))
	return to != nil && f.insert(to, c.row)
}

// fill gives row the values that it left out and that the row before it has.
func (f *folder) fill(rel *relation, row, before int32) {
	to, from := f.win.rowAt(rel, row), f.win.rowAt(rel, before)
	for i := range to {
		if to[i].Kind == 'u' {
			to[i] = from[i]
		}
	}
}

// find is the key's entry, made if need be. nil: its wire format is another than before, so that
// bytes do not tell keys apart.
func (f *folder) find(rel *relation, at int32) *entry {
	key := f.win.keyAt(rel, at)
	if !rel.net.sameFormat(key) {
		return nil
	}
	h := f.hash(rel, key)
	for i := h & uint64(len(f.slots)-1); ; i = (i + 1) & uint64(len(f.slots)-1) {
		n := f.slots[i]
		if n == 0 {
			f.entries = append(f.entries, entry{rel: rel, hash: h, key: at, row: -1})
			f.slots[i] = int32(len(f.entries))
			return &f.entries[len(f.entries)-1]
		}
		if e := &f.entries[n-1]; e.hash == h && e.rel == rel && sameKey(f.win.keyAt(rel, e.key), key) {
			return e
		}
	}
}

func (n *effect) sameFormat(key []pgoutput.Value) bool {
	if len(n.kinds) == 0 {
		for i := range key {
			n.kinds = append(n.kinds, key[i].Kind)
		}
	}
	for i := range key {
		if n.kinds[i] != key[i].Kind {
			return false
		}
	}
	return true
}

func (f *folder) hash(rel *relation, key []pgoutput.Value) uint64 {
	h := uint64(rel.table.Ordinal)
	for i := range key {
		h = h*0x9e3779b97f4a7c15 ^ maphash.Bytes(f.seed, key[i].Data)
	}
	return h
}

// emit puts an entry's net effect where the set path finds it.
func (f *folder) emit(e *entry) {
	n := &e.rel.net
	switch e.state {
	case stateInsert:
		n.inserts = append(n.inserts, e.row)
	case stateReplace:
		n.deletes = append(n.deletes, e.key)
		n.inserts = append(n.inserts, e.row)
	case stateDelete:
		n.deletes = append(n.deletes, e.key)
	case stateUpdate:
		g := n.group(f.win, e)
		g.keys, g.rows = append(g.keys, e.key), append(g.rows, e.row)
	}
}

// group finds the group whose rows leave out the same columns.
func (n *effect) group(w *window, e *entry) *group {
	row := w.rowAt(e.rel, e.row)
	for i := range n.groups {
		if sameLeftOut(w.rowAt(e.rel, n.groups[i].rows[0]), row) {
			return &n.groups[i]
		}
	}
	if len(n.groups) < cap(n.groups) {
		n.groups = n.groups[:len(n.groups)+1] // with the memory of an earlier segment
	} else {
		n.groups = append(n.groups, group{})
	}
	return &n.groups[len(n.groups)-1]
}

func sameLeftOut(a, b []pgoutput.Value) bool {
	for i := range a {
		if (a[i].Kind == 'u') != (b[i].Kind == 'u') {
			return false
		}
	}
	return true
}
