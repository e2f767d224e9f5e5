package column

import (
	"bytes"
	"encoding/binary"
)

const (
	maxEntries = 256
	slotBits   = 10 // four slots an entry: few tries
	noEntry    = 1<<16 - 1
	golden     = 0x9e3779b97f4a7c15 // spreads a product over its high bits
)

// values are the different values of a column, and which of them each row has.
type values struct {
	entries []entry
	index   []byte
	slots   [1 << slotBits]uint16 // entries by hash
}

// entry is a value, and its first eight bytes for a quick look.
type entry struct {
	first uint64
	field field
}

// collect fills v from col and reports whether there are few values, all of them short.
func (v *values) collect(raw []byte, col []field) bool {
	for i := range v.slots {
		v.slots[i] = noEntry
	}
	v.entries = v.entries[:0]
	v.index = extend(v.index[:0], len(col))
	for i, f := range col {
		if f.size() > widest {
			return false
		}
		x := entry{first8(raw, f), f}
		h := (x.first ^ uint64(f.code())<<56) * golden
		if n := f.size(); n > 8 {
			h = (h ^ binary.LittleEndian.Uint64(raw[f.off()+n-8:])) * golden
		}
		k, ok := v.find(raw, x, uint(h>>(64-slotBits)))
		if !ok {
			return false
		}
		v.index[i] = k
	}
	return true
}

// first8 are the first eight bytes of a value, or as many as it has.
func first8(raw []byte, f field) uint64 {
	p, n := f.off(), min(f.size(), 8)
	if len(raw)-p < 8 {
		return partial(raw[p:][:n])
	}
	return binary.LittleEndian.Uint64(raw[p:]) & (1<<(8*n) - 1)
}

// find is the index of x, a new one if need be and still possible.
func (v *values) find(raw []byte, x entry, slot uint) (byte, bool) {
	for ; ; slot++ {
		k := v.slots[slot%(1<<slotBits)]
		if k == noEntry {
			break
		}
		if y := &v.entries[k]; y.first == x.first && y.field.code() == x.field.code() &&
			(x.field.size() <= 8 || bytes.Equal(x.field.of(raw), y.field.of(raw))) {
			return byte(k), true
		}
	}
	k := len(v.entries)
	if k == maxEntries {
		return 0, false
	}
	v.slots[slot%(1<<slotBits)] = uint16(k)
	v.entries = append(v.entries, x)
	return byte(k), true
}

// putDictionary appends the different values and one index a row.
func (e *Encoder) putDictionary(dst []byte, col []field) ([]byte, bool) {
	v, raw := &e.values, e.block.raw
	if !v.collect(raw, col) {
		return dst, false
	}
	dst = append(dst, byte(dictionary), byte(len(v.entries)-1))
	for _, x := range v.entries {
		dst = binary.BigEndian.AppendUint32(dst, x.field.code())
	}
	for _, x := range v.entries {
		dst = append(dst, x.field.of(raw)...)
	}
	return pack(dst, v.index, indexBits(len(v.entries))), true
}

// pack appends indexes of so many bits each.
func pack(dst, index []byte, bits int) []byte {
	if bits == 0 {
		return dst
	}
	per := 8 / bits
	for ; len(index) >= per; index = index[per:] {
		var b byte
		for i, k := range index[:per] {
			b |= k << (i * bits & 7)
		}
		dst = append(dst, b)
	}
	if len(index) > 0 {
		var b byte
		for i, k := range index {
			b |= k << (i * bits & 7)
		}
		dst = append(dst, b)
	}
	return dst
}
