package column

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// putPlanes appends a column of short values as planes.
func (e *Encoder) putPlanes(dst []byte, col []field, s summary) ([]byte, bool) {
	if s.most > widest+1 {
		return dst, false
	}
	dst = putLengths(append(dst, byte(planes)), col, s)
	for k, size := 0, int(s.most-1); k < size; k += 8 {
		n := min(8, size-k)
		if int(s.least) >= k+n {
			dst = putWords(dst, e.slices(col, s.there, k, n), n)
		} else {
			dst = e.ragged(dst, col, k, n)
		}
	}
	return dst, true
}

// slices are n bytes, from the k-th on, of each value, so many of which are there. What stands in a
// word above these bytes is any.
func (e *Encoder) slices(col []field, there, k, n int) []uint64 {
	words, raw, i := e.room(there), e.block.raw, 0
	for _, f := range col {
		if f.code() == 0 {
			continue
		}
		if p := f.off() + k; len(raw)-p >= 8 {
			words[i] = binary.LittleEndian.Uint64(raw[p:])
		} else {
			words[i] = partial(raw[p:][:n])
		}
		i++
	}
	return words
}

// room is n words of any value.
func (e *Encoder) room(n int) []uint64 {
	e.words = slices.Grow(e.words[:0], n)[:n]
	return e.words
}

// partial is up to eight bytes as a number, the first one lowest.
func partial(b []byte) (v uint64) {
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	return v
}

// putWords appends a mask and n planes, each one byte of the words, the lowest first.
func putWords(dst []byte, words []uint64, n int) []byte {
	var diff uint64
	for _, v := range words {
		diff |= v ^ words[0]
	}
	mask := len(dst)
	dst = append(dst, 0)
	for j := range n {
		if byte(diff>>(8*j)) == 0 {
			dst = append(dst, byte(words[0]>>(8*j)))
			continue
		}
		dst[mask] |= 1 << j
		at := len(dst)
		dst = extend(dst, len(words))
		fillPlane(dst[at:], words, 8*j)
	}
	return dst
}

// fillPlane puts the byte at shift of each word into plane, which has as many bytes.
func fillPlane(plane []byte, words []uint64, shift int) {
	shift &= 63 // spares a test a word
	for len(words) >= 8 && len(plane) >= 8 {
		w := words[:8:8]
		binary.LittleEndian.PutUint64(plane, w[0]>>shift&0xff|w[1]>>shift&0xff<<8|
			w[2]>>shift&0xff<<16|w[3]>>shift&0xff<<24|w[4]>>shift&0xff<<32|
			w[5]>>shift&0xff<<40|w[6]>>shift&0xff<<48|w[7]>>shift<<56)
		words, plane = words[8:], plane[8:]
	}
	for i, v := range words {
		plane[i] = byte(v >> shift)
	}
}

// ragged appends a mask and n planes from the k-th on, where not every value is as long.
func (e *Encoder) ragged(dst []byte, col []field, k, n int) []byte {
	var longer [8]int // how many values have the byte
	for _, f := range col {
		if size := f.size(); size > k {
			longer[min(size-k, n)-1]++
		}
	}
	for j := n - 2; j >= 0; j-- {
		longer[j] += longer[j+1]
	}
	e.scatter(col, k, n, &longer)
	mask, begin := len(dst), 0
	dst = append(dst, 0)
	for j, size := range longer[:n] {
		plane := e.scratch[begin:][:size]
		begin += size
		if bytes.Count(plane, plane[:1]) == size {
			dst = append(dst, plane[0])
			continue
		}
		dst[mask] |= 1 << j
		dst = append(dst, plane...)
	}
	return dst
}

// scatter puts n planes, from the k-th on, into scratch; they are as long as said.
func (e *Encoder) scatter(col []field, k, n int, long *[8]int) {
	var at [8]int
	total := long[0]
	for j := 1; j < n; j++ {
		at[j] = at[j-1] + long[j-1]
		total += long[j]
	}
	e.scratch = extend(e.scratch[:0], total)
	raw, scratch := e.block.raw, e.scratch
	for _, f := range col {
		size := f.size()
		if size <= k {
			continue
		}
		for j, b := range raw[f.off()+k:][:min(size-k, n)] {
			scratch[at[j&7]] = b
			at[j&7]++
		}
	}
}
