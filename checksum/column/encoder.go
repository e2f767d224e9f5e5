package column

import (
	"encoding/binary"
	"slices"
)

// wide is the mean size of a row from which its values are long enough for zstd as they stand.
const wide = 2 << 10

// Encoder turns blocks into column order. It belongs to one goroutine; its memory is used again and
// is at most four times the largest block.
type Encoder struct {
	block   block
	words   []uint64 // values of a column as numbers
	scratch []byte   // planes of a column while they are filled
	values  values
}

// NewEncoder returns an encoder.
func NewEncoder() *Encoder { return new(Encoder) }

// Encode appends raw in column order to dst, by the ways of l, and reports whether it did: dst comes
// back as it was where raw is no block, or one of a table for which row order is as good. The ways
// are chosen here where l has none that serve. dst must not overlap raw.
func (e *Encoder) Encode(dst, raw []byte, l *Layout) (out []byte, ok bool) {
	if len(raw) > MaxBlock || l.inRows() || !e.block.parse(raw) {
		return dst, false
	}
	p := l.plan(&e.block)
	if p == nil || p.rows || e.block.mean() > wide {
		return dst, false
	}
	out = e.head(dst)
	for c, w := range p.ways {
		col := e.block.column(c)
		if out, ok = e.put(out, col, w); !ok {
			out, _ = e.put(out, col, plain)
		}
		l.fitted(p, c, ok)
	}
	return out, true
}

// head appends what stands before the columns.
func (e *Encoder) head(dst []byte) []byte {
	b := &e.block
	var flags byte
	if b.trailer {
		flags = hasTrailer
	}
	dst = append(dst, version, flags)
	dst = binary.BigEndian.AppendUint16(dst, uint16(b.cols))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.rows))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.head))
	return append(dst, b.raw[:b.head]...)
}

// put appends one column in way w. Where that does not fit it returns dst as it was.
func (e *Encoder) put(dst []byte, col []field, w way) ([]byte, bool) {
	if w == dictionary {
		return e.putDictionary(dst, col)
	}
	s := measure(col)
	if s.bytes == 0 {
		w = plain // nothing but NULLs and empty values
	}
	switch w {
	case planes:
		return e.putPlanes(dst, col, s)
	case delta:
		return e.putDelta(dst, col, s)
	}
	return e.putPlain(dst, col, s), true
}

func (e *Encoder) putPlain(dst []byte, col []field, s summary) []byte {
	dst = putLengths(append(dst, byte(plain)), col, s)
	dst = binary.BigEndian.AppendUint32(dst, uint32(s.bytes))
	at := len(dst)
	dst = extend(dst, s.bytes)
	raw := e.block.raw
	for _, f := range col {
		at += copy(dst[at:], f.of(raw))
	}
	return dst
}

// extend appends n bytes of any value.
func extend(dst []byte, n int) []byte { return slices.Grow(dst, n)[:len(dst)+n] }
