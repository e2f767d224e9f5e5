package column

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
)

// The binary format of COPY: a header of 19 bytes (signature, flags, length of an extension) and the
// extension; tuples, each an int16 field count and per field an int32 length, -1 for NULL, and that
// many bytes; a trailer, the int16 -1. Integers are big-endian.
const (
	copyHeader = 19
	leastTuple = 6 // one NULL
)

var copySignature = []byte("PGCOPY\n\xff\r\n\x00")

// A field is where a value stands in the block and its length code: the offset in the high half, the
// length plus one in the low half, 0 for NULL.
type field uint64

func (f field) off() int     { return int(f >> 32) }
func (f field) code() uint32 { return uint32(f) }

// size is the length of the value, 0 for NULL.
func (f field) size() int { return int(max(uint32(f), 1) - 1) }

// of is the value, which stands in raw.
func (f field) of(raw []byte) []byte { return raw[f.off():][:f.size()] }

// block is a stretch of whole tuples, taken apart.
type block struct {
	raw     []byte
	head    int // bytes before the first tuple
	trailer bool
	rows    int
	cols    int
	stride  int     // from one column to the next in fields
	fields  []field // column by column
}

// column is the fields of column c, from top to bottom.
func (b *block) column(c int) []field { return b.fields[c*b.stride:][:b.rows] }

// parse takes raw apart and reports whether it is what a block must be. The memory of fields is used
// again; it takes at most twice raw.
func (b *block) parse(raw []byte) bool {
	*b = block{raw: raw, fields: b.fields}
	var ok bool
	if b.head, ok = headerSize(raw); !ok || len(raw)-b.head < leastTuple {
		return false
	}
	b.cols = int(int16(binary.BigEndian.Uint16(raw[b.head:])))
	if b.cols < 1 {
		return false
	}
	b.stride = (len(raw) - b.head) / (2 + 4*b.cols)
	n := b.cols * b.stride
	b.fields = slices.Grow(b.fields[:0], n)[:n]
	return b.tuples()
}

// headerSize is the size of the COPY header with its extension, 0 where there is none.
func headerSize(raw []byte) (int, bool) {
	if !bytes.HasPrefix(raw, copySignature) {
		return 0, true
	}
	if len(raw) < copyHeader {
		return 0, false
	}
	size := copyHeader + int64(binary.BigEndian.Uint32(raw[copyHeader-4:]))
	return int(size), size <= int64(len(raw))
}

// tuples fills fields.
func (b *block) tuples() bool {
	raw, p, fields := b.raw, b.head, b.fields
	for len(raw)-p >= leastTuple {
		if int(binary.BigEndian.Uint16(raw[p:])) != b.cols {
			return false
		}
		p += 2
		for at := b.rows; at < len(fields); at += b.stride {
			if len(raw)-p < 4 {
				return false
			}
			n := binary.BigEndian.Uint32(raw[p:]) + 1
			p += 4
			fields[at] = field(p)<<32 | field(n)
			if n > 1 {
				if n > 1<<31 || int(n-1) > len(raw)-p {
					return false
				}
				p += int(n - 1)
			}
		}
		b.rows++
	}
	b.trailer = len(raw)-p == 2 && raw[p] == 0xff && raw[p+1] == 0xff
	return b.rows > 0 && (b.trailer || p == len(raw))
}

// sample is b cut to as many of its rows as fit into size bytes, at least one.
func (b *block) sample(size int) block {
	s := *b
	begin := b.start(0)
	s.rows = 1 + sort.Search(b.rows-1, func(r int) bool { return b.start(r+2)-begin > size })
	s.raw = b.raw[:b.start(s.rows)]
	return s
}

// start is where row r begins, or where the last one ends.
func (b *block) start(r int) int {
	if r < b.rows {
		return b.fields[r].off() - 6
	}
	last := b.fields[(b.cols-1)*b.stride+b.rows-1]
	return last.off() + last.size()
}

// mean is the mean size of a row.
func (b *block) mean() int { return (len(b.raw) - b.head) / b.rows }
