package column

import "encoding/binary"

// putDelta appends a column of numbers, all of one size, as differences.
func (e *Encoder) putDelta(dst []byte, col []field, s summary) ([]byte, bool) {
	size := int(s.least)
	if size != int(s.most-1) || size != 2 && size != 4 && size != 8 {
		return dst, false
	}
	dst = putLengths(append(dst, byte(delta)), col, s)
	words := e.numbers(col, s.there, size)
	dst = binary.BigEndian.AppendUint64(dst, differences(words, 64-8*size))
	return putWords(dst, words, size), true
}

// numbers are the values, so many of which are there, in the high bytes of words.
func (e *Encoder) numbers(col []field, there, size int) []uint64 {
	words, raw, i := e.room(there), e.block.raw, 0
	for _, f := range col {
		if f.code() == 0 {
			continue
		}
		b := raw[f.off():][:size]
		switch size {
		case 2:
			words[i] = uint64(binary.BigEndian.Uint16(b)) << 48
		case 4:
			words[i] = uint64(binary.BigEndian.Uint32(b)) << 32
		default:
			words[i] = binary.BigEndian.Uint64(b)
		}
		i++
	}
	return words
}

// differences puts in place of each number, which stands above the shift lowest bits of its word,
// the difference from the one before, zigzag, in the low bits. It returns the base, which is such
// that the first difference is the second one again: equal steps have equal differences.
func differences(words []uint64, shift int) (base uint64) {
	base = words[0]
	if len(words) > 1 {
		base = 2*words[0] - words[1]
	}
	prev := base
	for i, v := range words {
		d := int64(v - prev)
		words[i] = uint64(d<<1^d>>63) >> (shift & 63)
		prev = v
	}
	return base >> shift
}
