package changelog

import "slices"

// spooled is a transaction in the spool.
type spooled struct {
	xid    uint32
	blocks []block
	files  []int64 // their sizes
	subs   []sub   // those that may still be voided, in the order in which they began
}

// block is a frame on disk.
type block struct {
	file int
	off  int64
	size int // on disk
	raw  int // bytes of records that count: what follows was voided
	seq  uint64
}

// place is between two records: before byte at of a block's records.
type place struct{ block, at int }

// sub is a subtransaction: what it has made, and what those within it have, begins at from.
type sub struct {
	xid  uint32
	from place
}

// after says that transaction id a was given later than b. They wrap around.
func after(a, b uint32) bool { return int32(a-b) > 0 }

// enter notes that xid makes what comes next, at this place.
//
// Subtransactions nest, and one gets its id after those around it. So where xid makes a change, all
// that got theirs later have ended, and not been voided, or they would be gone: they lie within xid,
// and will be voided with it if at all. From then on they count as parts of it. What is left is in
// the order both of ids and of places, at most one for each subtransaction that stands beside the
// others.
func (t *spooled) enter(xid uint32, at place) {
	n := len(t.subs)
	for n > 0 && after(t.subs[n-1].xid, xid) {
		n--
		at = t.subs[n].from
	}
	t.subs = t.subs[:n]
	if xid != t.xid && (n == 0 || t.subs[n-1].xid != xid) {
		t.subs = append(t.subs, sub{xid, at})
	}
}

// abort forgets a subtransaction and says where it began; false if it is not known, because it has made
// nothing or is a part of one around it, which is voided as well then. What began later lies
// within it and goes with it.
func (t *spooled) abort(xid uint32) (from place, ok bool) {
	i, ok := slices.BinarySearchFunc(t.subs, xid, func(s sub, xid uint32) int { return int(int32(s.xid - xid)) })
	if !ok {
		return place{}, false
	}
	from = t.subs[i].from
	t.subs = t.subs[:i]
	return from, true
}

// cut voids everything from a place on, and returns how many files are left.
func (t *spooled) cut(at place) (files int) {
	if at.block < len(t.blocks) {
		t.blocks = t.blocks[:at.block+1]
		if t.blocks[at.block].raw = at.at; at.at == 0 {
			t.blocks = t.blocks[:at.block]
		}
	}
	if len(t.blocks) == 0 {
		return 0
	}
	return t.blocks[len(t.blocks)-1].file + 1
}

// next is where the next block goes: behind the last that counts, in a new file where that one is
// large enough.
func (t *spooled) next(fileBytes int64) (file int, off int64) {
	if len(t.blocks) == 0 {
		return 0, 0
	}
	b := &t.blocks[len(t.blocks)-1]
	if off = b.off + int64(b.size); off < fileBytes {
		return b.file, off
	}
	return b.file + 1, 0
}
