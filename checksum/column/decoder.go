package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrCorrupt says that bytes are no block in column order, or not one of that size.
var ErrCorrupt = errors.New("columns are corrupt")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

const (
	tileRows   = 512
	tileFields = 16 << 10 // at most in a tile of several rows
)

// Decoder turns blocks back into row order. It belongs to one goroutine; its memory is used again.
//
// It works tile by tile: as few rows as stay in the processor's cache while one column after the
// other puts its values there.
type Decoder struct {
	columns []column
	planes  []plane  // of all columns
	entries [][]byte // of all dictionaries

	codes []uint32 // length codes of a tile, column by column
	at    []int    // where in the block each row of a tile goes on
	words []uint64 // values of a column in a tile
}

// NewDecoder returns a decoder.
func NewDecoder() *Decoder { return new(Decoder) }

// Decode appends to dst the block of exactly size bytes that src is in column order. Every error is
// ErrCorrupt.
func (d *Decoder) Decode(dst, src []byte, size int) ([]byte, error) {
	defer d.forget()
	s := source{b: src}
	h, err := s.head(size)
	if err != nil {
		return nil, err
	}
	if err := d.open(&s, h); err != nil {
		return nil, err
	}
	begin := len(dst)
	dst = extend(dst, size)
	block := dst[begin:]
	if h.trailer {
		block = block[:size-2]
		copy(dst[begin+len(block):], "\xff\xff")
	}
	if err := d.rows(block, copy(block, h.header), h.rows); err != nil {
		return nil, err
	}
	return dst, nil
}

// forget lets go of src.
func (d *Decoder) forget() {
	clear(d.columns)
	clear(d.planes)
	clear(d.entries)
}

// open finds the streams of every column. Nothing may be left.
func (d *Decoder) open(s *source, h head) error {
	d.columns = slices.Grow(d.columns[:0], h.cols)[:h.cols]
	d.planes, d.entries = d.planes[:0], d.entries[:0]
	for c := range d.columns {
		if !d.columns[c].open(d, s, h.rows) {
			return corrupt("column %d", c)
		}
	}
	if len(s.b) > 0 {
		return corrupt("%d bytes behind the columns", len(s.b))
	}
	return nil
}

// rows fills block from p on with n rows, which must end where it ends.
func (d *Decoder) rows(block []byte, p, n int) error {
	cols := len(d.columns)
	tile := max(1, min(tileRows, tileFields/cols, n))
	d.codes = slices.Grow(d.codes[:0], tile*cols)[:tile*cols]
	d.at = slices.Grow(d.at[:0], tile)[:tile]
	d.words = slices.Grow(d.words[:0], tile)[:tile]
	for r := 0; r < n; r += tile {
		end, ok := d.place(p, r, min(tile, n-r))
		if !ok || end > len(block) {
			return corrupt("rows beyond the %d bytes of the block", len(block))
		}
		d.tile(block, r, min(tile, n-r))
		p = end
	}
	if p != len(block) {
		return corrupt("rows of %d bytes in a block of %d", p, len(block))
	}
	for c := range d.columns {
		if len(d.columns[c].values) > 0 {
			return corrupt("column %d has more than its lengths say", c)
		}
	}
	return nil
}

// place finds the length codes of the n rows from row r on, and where they begin, the first at p. It
// returns where they end, and whether every column has as much as they say.
func (d *Decoder) place(p, r, n int) (end int, ok bool) {
	at := d.at[:n]
	for i := range at {
		at[i] = 2 + 4*len(d.columns)
	}
	for c := range d.columns {
		col, codes := &d.columns[c], d.codesOf(c, n)
		if !col.lengths(codes, r) {
			return 0, false
		}
		sum := 0
		for i, code := range codes {
			size := sizeOf(code)
			at[i] += size
			sum += size
		}
		if col.way == plain && sum > len(col.values) {
			return 0, false
		}
	}
	for i, size := range at {
		at[i] = p
		p += size
	}
	return p, true
}

// codesOf are the length codes of column c in a tile of n rows.
func (d *Decoder) codesOf(c, n int) []uint32 { return d.codes[c*len(d.at):][:n] }

// tile writes the n rows from row r on, which are placed.
func (d *Decoder) tile(block []byte, r, n int) {
	at := d.at[:n]
	for i, p := range at {
		binary.BigEndian.PutUint16(block[p:], uint16(len(d.columns)))
		at[i] = p + 2
	}
	for c := range d.columns {
		col, codes := &d.columns[c], d.codesOf(c, n)
		for i, p := range at {
			binary.BigEndian.PutUint32(block[p:], codes[i]-1)
			at[i] = p + 4
		}
		switch col.way {
		case plain:
			col.putPlain(block, at, codes)
		case planes:
			col.putPlanes(block, at, codes, d)
		case delta:
			col.putDelta(block, at, codes, d)
		case dictionary:
			// Two more columns are eight bytes at least that are still to be written.
			col.putEntries(block, at, r, d, c+2 < len(d.columns))
		}
	}
}

// sizeOf is the length that a code stands for, 0 for NULL.
func sizeOf(code uint32) int { return int(max(code, 1) - 1) }
