package column

import "encoding/binary"

// summary is what is to be known of a column's lengths.
type summary struct {
	bytes int    // of all values together
	there int    // how many values are not NULL
	most  uint32 // the largest length code
	least uint32 // the smallest length but NULL's
	same  bool   // all codes are the same
}

func measure(col []field) summary {
	var sum, nulls uint64
	most, least := uint32(0), ^uint32(0)
	for _, f := range col {
		code := f.code()
		sum += uint64(code)
		if code == 0 {
			nulls++
		}
		most, least = max(most, code), min(least, code-1) // NULL counts as very long
	}
	there := len(col) - int(nulls)
	same := there == 0 || nulls == 0 && least == most-1
	return summary{bytes: int(sum) - there, there: there, most: most, least: least, same: same}
}

// width is the size of a length code in the stream, 0 where all are the same.
func (s *summary) width() int {
	switch {
	case s.same:
		return 0
	case s.most < 1<<8:
		return 1
	case s.most < 1<<16:
		return 2
	}
	return 4
}

// putLengths appends the length stream.
func putLengths(dst []byte, col []field, s summary) []byte {
	width := s.width()
	dst = append(dst, byte(width))
	if width == 0 {
		return binary.BigEndian.AppendUint32(dst, s.most)
	}
	at := len(dst)
	dst = extend(dst, width*len(col))
	for j := range width {
		plane, shift := dst[at+j*len(col):][:len(col)], 8*j&63
		for i, f := range col {
			plane[i] = byte(f >> shift)
		}
	}
	return dst
}
