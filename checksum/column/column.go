package column

import "encoding/binary"

// column is how far a decoder is in one column. What it does in a tile has been checked when the
// tile was placed.
type column struct {
	way way

	width int    // of a length code, 0 where all are the same
	code  uint32 // the one that all are
	codes []byte // the length stream; dictionary: length codes of the entries

	values []byte // plain: what is not yet put

	firstPlane, planes int // planes, delta: which of the decoder's
	last               uint64

	firstEntry, entries int // dictionary: which of the decoder's
	index               []byte
	bits                int
}

// open finds the streams of a column of so many rows at the beginning of s.
func (c *column) open(d *Decoder, s *source, rows int) bool {
	*c = column{way: way(s.byte())}
	if c.way == dictionary {
		return c.openDictionary(d, s, rows)
	}
	if !c.openLengths(s, rows) {
		return false
	}
	switch c.way {
	case plain:
		c.values = s.next(int(s.uint32()))
		return !s.failed
	case planes, delta:
		return c.openPlanes(d, s, rows)
	}
	return false
}

func (c *column) openLengths(s *source, rows int) bool {
	switch c.width = int(s.byte()); c.width {
	case 0:
		c.code = s.uint32()
	case 1, 2, 4:
		c.codes = s.next(c.width * rows)
	default:
		return false
	}
	return !s.failed && c.code <= MaxBlock
}

// lengths puts the length codes of the rows from row r on into codes, and reports whether they can be.
func (c *column) lengths(codes []uint32, r int) bool {
	switch {
	case c.way == dictionary:
		return c.entryLengths(codes, r)
	case c.width == 0:
		for i := range codes {
			codes[i] = c.code
		}
	case c.width == 1:
		for i, b := range c.codes[r:][:len(codes)] {
			codes[i] = uint32(b)
		}
	default:
		return c.wideLengths(codes, r)
	}
	return true
}

func (c *column) wideLengths(codes []uint32, r int) bool {
	rows := len(c.codes) / c.width
	clear(codes)
	for j := range c.width {
		for i, b := range c.codes[j*rows+r:][:len(codes)] {
			codes[i] |= uint32(b) << (8 * j)
		}
	}
	for _, code := range codes {
		if code > MaxBlock {
			return false
		}
	}
	return true
}

func (c *column) putPlain(block []byte, at []int, codes []uint32) {
	for i, code := range codes {
		n := sizeOf(code)
		copy(block[at[i]:], c.values[:n])
		c.values = c.values[n:]
		at[i] += n
	}
}

// openDictionary finds the entries and the indexes.
func (c *column) openDictionary(d *Decoder, s *source, rows int) bool {
	c.entries = int(s.byte()) + 1
	c.firstEntry = len(d.entries)
	c.codes = s.next(4 * c.entries)
	for codes := c.codes; len(codes) > 0; codes = codes[4:] {
		code := binary.BigEndian.Uint32(codes)
		if code > widest+1 {
			return false
		}
		d.entries = append(d.entries, s.roomy(sizeOf(code)))
	}
	c.bits = indexBits(c.entries)
	c.index = s.next((rows*c.bits + 7) / 8)
	return !s.failed
}

func (c *column) entryLengths(codes []uint32, r int) bool {
	for i := range codes {
		k := c.entry(r + i)
		if k >= c.entries {
			return false
		}
		codes[i] = binary.BigEndian.Uint32(c.codes[4*k:])
	}
	return true
}

// entry is the index in row r.
func (c *column) entry(r int) int {
	if c.bits == 8 {
		return int(c.index[r])
	}
	if c.bits == 0 {
		return 0
	}
	at := r * c.bits
	return int(c.index[at/8]>>(at%8)) & (1<<c.bits - 1)
}

// putEntries copies entries. With spill, up to seven bytes behind a value may be overwritten; then
// whole words are copied, as long as there are any in the entry's memory.
func (c *column) putEntries(block []byte, at []int, r int, d *Decoder, spill bool) {
	entries := d.entries[c.firstEntry:][:c.entries]
	for i, p := range at {
		v := entries[c.entry(r+i)]
		n := len(v)
		at[i] = p + n
		if !spill || cap(v)-n < 8 {
			copy(block[p:], v)
			continue
		}
		for v = v[:n+8]; n > 0; n, p, v = n-8, p+8, v[8:] {
			binary.LittleEndian.PutUint64(block[p:], binary.LittleEndian.Uint64(v))
		}
	}
}
