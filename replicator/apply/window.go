package apply

import (
	"time"
	"unsafe"

	"replicator/wal"
	"replicator/wal/pgoutput"
)

// The operations of a change.
const (
	opInsert   = 'I'
	opUpdate   = 'U' // the key stays
	opDelete   = 'D'
	opMove     = 'M' // an update that moves the key
	opTruncate = 'T'
	opBarrier  = '|' // nothing by itself
)

// change is one due change. Its values stand in the window's arena and point into frames.
//
//	           keyed table                       identity full
//	insert     key, row                          row
//	update     key, row                          old row at key, row
//	delete     key                               old row at key
//	move       old key, new key after it, row    -
type change struct {
	op       byte
	rel      *relation // nil for TRUNCATE and barrier
	key, row int32     // offsets in window.values
	tx       int32     // index in window.txs
	truncate *truncate
}

// transaction is what is known of a source transaction.
type transaction struct {
	xid     uint32
	commit  wal.LSN // of its commit record; in messages to people
	end     wal.LSN // of the commit record's end; zero until then
	time    time.Time
	frame   int  // the window's frame in which it began
	written bool // it has row changes
	skip    bool // the target has it already
}

// window collects changes until they are applied. The first done.* of each list belong to
// complete transactions, the rest to one that has not committed yet.
type window struct {
	values  []pgoutput.Value
	changes []change
	txs     []transaction
	frames  [][]byte // open frames that values point into; the last is being read
	markers []marker // all of them complete

	opened time.Time // when the first complete transaction, or piece, began to wait
	held   int64     // bytes of the frames but the last
	bytes  int64     // of messages and values

	done struct {
		values, changes, txs int
		bytes                int64
		written, skipped     int64
	}
	skipped int64
	end     wal.LSN // position that the complete part reaches; zero: it moves nothing
}

const valueSize = int64(unsafe.Sizeof(pgoutput.Value{}))

// full reports whether the window must be applied before it takes more. Frames count because one
// due change keeps a whole frame; twice the limit bounds that.
func (w *window) full(l Limits) bool {
	return len(w.changes) >= l.Changes || w.bytes >= l.Bytes || w.held >= 2*l.Bytes
}

// hold keeps an opened frame for as long as values may point into it.
func (w *window) hold(raw []byte) {
	if n := len(w.frames); n > 0 {
		w.held += int64(len(w.frames[n-1]))
	}
	w.frames = append(w.frames, raw)
}

// complete makes everything collected so far part of what may be committed.
func (w *window) complete() {
	w.done.values, w.done.changes, w.done.txs = len(w.values), len(w.changes), len(w.txs)
	w.done.bytes, w.done.skipped = w.bytes, w.skipped
}

// drop forgets the transaction that has not committed.
func (w *window) drop() {
	w.values, w.changes, w.txs = w.values[:w.done.values], w.changes[:w.done.changes], w.txs[:w.done.txs]
	w.bytes, w.skipped = w.done.bytes, w.done.skipped
}

// shift forgets the complete part and gives back the frames that only it needed, all but the
// frame that is being read.
func (w *window) shift(release func([]byte)) {
	keep := len(w.frames) - 1
	if w.done.txs < len(w.txs) {
		keep = min(keep, w.txs[w.done.txs].frame)
	}
	v := int32(w.done.values)
	w.values = w.values[:copy(w.values, w.values[v:])]
	w.txs = w.txs[:copy(w.txs, w.txs[w.done.txs:])]
	w.changes = w.changes[:copy(w.changes, w.changes[w.done.changes:])]
	for i := range w.changes {
		c := &w.changes[i]
		c.key, c.row, c.tx = c.key-v, c.row-v, c.tx-int32(w.done.txs)
	}
	w.bytes -= w.done.bytes
	w.skipped -= w.done.skipped
	w.markers = w.markers[:0]
	w.end, w.opened = 0, time.Time{}
	w.done.values, w.done.changes, w.done.txs, w.done.bytes, w.done.written, w.done.skipped = 0, 0, 0, 0, 0, 0
	w.releaseFrames(keep, release)
}

// piece forgets the changes of the incomplete transaction after they were applied, but not the
// transaction itself.
func (w *window) piece(release func([]byte)) {
	w.values, w.changes, w.bytes = w.values[:0], w.changes[:0], 0
	w.releaseFrames(len(w.frames)-1, release)
}

func (w *window) releaseFrames(n int, release func([]byte)) {
	if n <= 0 {
		return
	}
	for _, f := range w.frames[:n] {
		release(f)
		w.held -= int64(len(f))
	}
	w.frames = w.frames[:copy(w.frames, w.frames[n:])]
	for i := range w.txs {
		w.txs[i].frame = max(0, w.txs[i].frame-n)
	}
}

// idle reports that nothing waits and no frame but the one being read is needed.
func (w *window) idle() bool { return len(w.changes) == 0 && len(w.markers) == 0 }
