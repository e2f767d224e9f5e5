package link

import (
	"sync"

	"replicator/checksum/column"
	"replicator/checksum/frame"
	"replicator/chunker"
)

// packers are the packers that no chunk uses, and how each table's columns are put in order.
type packers struct {
	mu      sync.Mutex
	free    []*frame.Packer
	layouts map[string]*column.Layout // by the table's qualified name
}

// packer packs the frames of one chunk.
type packer struct {
	*frame.Packer
	layout *column.Layout // nil: rows stay in row order
}

func (p *packer) seal(dst []byte, h frame.Header, raw []byte, level frame.Level) []byte {
	return p.Seal(dst, h, raw, level, p.layout)
}

// take gives a packer for a chunk of t. Column order is for binary rows: what it does not suit, wide
// rows among them, its layout finds out by itself.
func (p *packers) take(t *chunker.Table) *packer {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := &packer{}
	if n := len(p.free); n > 0 {
		out.Packer, p.free = p.free[n-1], p.free[:n-1]
	} else {
		out.Packer = frame.NewPacker()
	}
	if !t.Text {
		out.layout = p.layout(t.Qualified())
	}
	return out
}

// layout is made when a table's first chunk comes, and kept; p.mu is held.
func (p *packers) layout(table string) *column.Layout {
	if p.layouts == nil {
		p.layouts = map[string]*column.Layout{}
	}
	l := p.layouts[table]
	if l == nil {
		l = column.NewLayout()
		p.layouts[table] = l
	}
	return l
}

func (p *packers) give(k *packer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, k.Packer)
}
