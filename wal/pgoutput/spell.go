package pgoutput

import "encoding/binary"

// AppendSpelled appends b, an Insert, Update or Delete, to dst, its values in binary spelled in text where
// spell has a text for them. column counts from 0 in the relation's order. All else stays byte by byte.
func AppendSpelled(dst, b []byte, spell func(column int, value []byte) (text string, ok bool, err error)) ([]byte, error) {
	c := cursor{b: b}
	kind := c.byte()
	dst = append(append(dst, kind), c.take(4)...)
	switch kind {
	case 'I', 'U', 'D':
	default:
		return dst, corrupt("kind %q has no values", kind)
	}
	for len(c.b) > 0 {
		mark := c.byte()
		if mark != 'K' && mark != 'O' && mark != 'N' {
			return dst, corrupt("%q where a tuple should begin", mark)
		}
		var err error
		if dst, err = c.spelled(append(dst, mark), spell); err != nil {
			return dst, err
		}
	}
	return dst, c.end()
}

// spelled copies a tuple.
func (c *cursor) spelled(dst []byte, spell func(int, []byte) (string, bool, error)) ([]byte, error) {
	n := c.uint16()
	dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	for i := range n {
		kind := c.byte()
		switch kind {
		case Null, Unchanged:
			dst = append(dst, kind)
			continue
		case Text, Binary:
		default:
			return dst, corrupt("value of unknown kind %q", kind)
		}
		value := c.take(int(c.uint32()))
		if c.short {
			return dst, c.end()
		}
		if kind == Binary {
			text, ok, err := spell(i, value)
			if err != nil {
				return dst, err
			}
			if ok {
				kind, value = Text, []byte(text)
			}
		}
		dst = append(binary.BigEndian.AppendUint32(append(dst, kind), uint32(len(value))), value...)
	}
	return dst, nil
}
