package column

import (
	"sync"
	"sync/atomic"
)

const (
	// enough is the smallest block that is a fair sample.
	enough = 16 << 10
	// patience is in how many blocks in a row a way may not fit a column before it is given up there.
	patience = 2
)

// Layout is what is known of one table: the way of each column. It is safe for use by several
// encoders at a time. The ways are chosen from the first block that is large enough, and anew when
// one of them has stopped fitting.
type Layout struct {
	current atomic.Pointer[plan]

	mu      sync.Mutex
	givenUp []set // by column
}

// plan is one choice of ways.
type plan struct {
	ways   []way
	missed []atomic.Int32 // in how many blocks in a row the way did not fit
	rows   bool           // row order is as good
}

// set is a set of ways.
type set uint8

func (s set) has(w way) bool { return s>>w&1 != 0 }

// NewLayout returns the layout of a table of which nothing is known yet.
func NewLayout() *Layout { return new(Layout) }

// inRows reports whether the table is known to be as good in row order.
func (l *Layout) inRows() bool {
	p := l.current.Load()
	return p != nil && p.rows
}

// plan is the choice for blocks like b, made now if need be; nil where b is too small for that.
func (l *Layout) plan(b *block) *plan {
	if p := l.current.Load(); p.serves(b) {
		return p
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.current.Load(); p.serves(b) {
		return p
	}
	if len(b.raw) < enough {
		return nil
	}
	if len(l.givenUp) != b.cols {
		l.givenUp = make([]set, b.cols)
	}
	p := choose(b, l.givenUp)
	l.current.Store(p)
	return p
}

func (p *plan) serves(b *block) bool { return p != nil && (p.rows || len(p.ways) == b.cols) }

// fitted notes whether the way of column c fitted a block.
func (l *Layout) fitted(p *plan, c int, ok bool) {
	if ok {
		if p.missed[c].Load() != 0 {
			p.missed[c].Store(0)
		}
		return
	}
	if p.missed[c].Add(1) < patience {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.CompareAndSwap(p, nil) {
		l.givenUp[c] |= 1 << p.ways[c]
	}
}
