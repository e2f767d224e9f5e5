package pgoutput

// update reads an old tuple where there is one, and the new one.
func (m *Message) update(c *cursor) error {
	m.RelationID = c.uint32()
	mark := c.byte()
	if mark == 'K' || mark == 'O' {
		if err := m.oldTuple(c, mark); err != nil {
			return err
		}
		mark = c.byte()
	}
	return m.newTuple(c, mark)
}

func (m *Message) oldTuple(c *cursor, mark byte) (err error) {
	if mark != 'K' && mark != 'O' {
		return corrupt("%q where an old tuple should begin", mark)
	}
	m.OldKind = mark
	m.Old, err = c.tuple(m.Old)
	return err
}

func (m *Message) newTuple(c *cursor, mark byte) (err error) {
	if mark != 'N' {
		return corrupt("%q where a new tuple should begin", mark)
	}
	m.New, err = c.tuple(m.New)
	return err
}

// tuple appends the values of a tuple to dst. A column takes at least a byte on the wire, so dst
// cannot grow by more than is left of the message.
func (c *cursor) tuple(dst []Value) ([]Value, error) {
	n := c.uint16()
	if n > len(c.b) {
		return dst, corrupt("tuple of %d columns in %d bytes", n, len(c.b))
	}
	for range n {
		v := Value{Kind: c.byte()}
		switch v.Kind {
		case Null, Unchanged:
		case Text, Binary:
			size := c.uint32()
			if uint64(size) > uint64(len(c.b)) {
				return dst, corrupt("value of %d bytes in %d", size, len(c.b))
			}
			v.Data = c.take(int(size))
		default:
			return dst, corrupt("value of unknown kind %q", v.Kind)
		}
		dst = append(dst, v)
	}
	return dst, nil
}
