package column

import "encoding/binary"

// plane is one byte of each value, or the one that all have.
type plane struct {
	bytes []byte // what is not yet put, nil where all are the same
	byte  byte
}

// openPlanes finds the planes, whose lengths follow from those of the values.
func (c *column) openPlanes(d *Decoder, s *source, rows int) bool {
	var longer [widest + 3]int // how many values have this length code at least
	if !c.countCodes(&longer, rows) {
		return false
	}
	most := widest + 1
	for ; most > 1 && longer[most] == 0; most-- {
	}
	if c.way == delta {
		if longer[0]+longer[most] != rows || most > 9 {
			return false
		}
		c.last = s.uint64()
	}
	for n := most - 1; n > 0; n-- {
		longer[n] += longer[n+1]
	}
	c.firstPlane, c.planes = len(d.planes), most-1
	var mask byte
	for j := range c.planes {
		if j%8 == 0 {
			mask = s.byte()
		}
		if mask>>(j%8)&1 == 0 {
			d.planes = append(d.planes, plane{byte: s.byte()})
		} else {
			d.planes = append(d.planes, plane{bytes: s.next(longer[j+2])})
		}
	}
	return c.planes > 0 && !s.failed
}

// countCodes counts how many values have which length code. It reports whether all are good for planes.
func (c *column) countCodes(count *[widest + 3]int, rows int) bool {
	if c.width > 1 || c.code > widest+1 {
		return false
	}
	if c.width == 0 {
		count[c.code] = rows
	}
	for _, b := range c.codes {
		if b > widest+1 {
			return false
		}
		count[b]++
	}
	return true
}

func (c *column) putPlanes(block []byte, at []int, codes []uint32, d *Decoder) {
	all, least := d.planes[c.firstPlane:][:c.planes], c.planes
	for _, code := range codes {
		least = min(least, sizeOf(code))
	}
	for k := 0; k < least; k += 8 {
		n := min(8, least-k)
		words := d.words[:len(at)]
		gather(words, all[k:k+n])
		putWords8(block, at, words, k, n)
	}
	for j := least; j < len(all); j++ {
		all[j].put(block, at, codes, j)
	}
	for i, code := range codes {
		at[i] += sizeOf(code)
	}
}

// put writes byte j of those values that have it.
func (p *plane) put(block []byte, at []int, codes []uint32, j int) {
	n := 0
	for i, code := range codes {
		if sizeOf(code) <= j {
			continue
		}
		if p.bytes == nil {
			block[at[i]+j] = p.byte
		} else {
			block[at[i]+j] = p.bytes[n]
			n++
		}
	}
	p.bytes = p.bytes[n:]
}

// putWords8 writes the n low bytes of words, the lowest first, k bytes from where the values begin.
func putWords8(block []byte, at []int, words []uint64, k, n int) {
	if n == 8 {
		for i, p := range at {
			binary.LittleEndian.PutUint64(block[p+k:], words[i])
		}
		return
	}
	for i, p := range at {
		w := words[i]
		b := block[p+k:][:n]
		if n&4 != 0 {
			binary.LittleEndian.PutUint32(b, uint32(w))
			w, b = w>>32, b[4:]
		}
		if n&2 != 0 {
			binary.LittleEndian.PutUint16(b, uint16(w))
			w, b = w>>16, b[2:]
		}
		if n&1 != 0 {
			b[0] = byte(w)
		}
	}
}

// putDelta adds the differences up and writes the sums.
func (c *column) putDelta(block []byte, at []int, codes []uint32, d *Decoder) {
	n := len(codes)
	if c.width > 0 {
		for _, code := range codes {
			if code == 0 {
				n--
			}
		}
	}
	words := d.words[:n]
	gather(words, d.planes[c.firstPlane:][:c.planes])
	shift := 64 - 8*c.planes
	last, i := c.last, 0
	for r, code := range codes {
		if code == 0 {
			continue
		}
		z := words[i]
		i++
		last += z>>1 ^ -(z & 1)
		v, b := last<<(shift&63), block[at[r]:][:c.planes]
		switch len(b) {
		case 8:
			binary.BigEndian.PutUint64(b, v)
		case 4:
			binary.BigEndian.PutUint32(b, uint32(v>>32))
		default:
			for j := range b {
				b[j], v = byte(v>>56), v<<8
			}
		}
		at[r] += c.planes
	}
	c.last = last
}

// gather makes words of the next bytes of the planes.
func gather(words []uint64, planes []plane) {
	var same uint64
	for j, p := range planes {
		if p.bytes == nil {
			same |= uint64(p.byte) << (8 * j)
		}
	}
	for i := range words {
		words[i] = same
	}
	for j := range planes {
		p := &planes[j]
		if p.bytes == nil {
			continue
		}
		shift := 8 * j & 63
		for i, b := range p.bytes[:len(words)] {
			words[i] |= uint64(b) << shift
		}
		p.bytes = p.bytes[len(words):]
	}
}
