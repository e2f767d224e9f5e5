package pgoutput

import "encoding/binary"

// stream reads a control message of a streamed transaction.
func (m *Message) stream(c *cursor) error {
	m.Stream = Stream{}
	if m.Kind == 'E' {
		return nil
	}
	m.Stream.XID = c.uint32()
	switch m.Kind {
	case 'S':
		flags := c.byte()
		if flags > 1 {
			return corrupt("stream start with unknown flags %#x", flags)
		}
		m.Stream.First = flags == 1
	case 'c':
		return m.commit(c)
	case 'A':
		m.Stream.SubXID = c.uint32()
	}
	return nil
}

// xidSize is what the id of a transaction takes inside a block.
const xidSize = 4

// Unstream takes message b of a stream block apart: who made it, and the message as it would have come
// outside of a block. msg lies in the memory of b, which is overwritten; it has not been checked
// beyond that. xid is 0 for an Origin, which belongs to the whole transaction.
func Unstream(b []byte) (xid uint32, msg []byte, err error) {
	switch kind := Kind(b); kind {
	case 'O':
		return 0, b, nil
	case 'I', 'U', 'D', 'T', 'R', 'Y', 'M':
		if len(b) < 1+xidSize {
			return 0, nil, corrupt("kind %q of %d bytes in a stream block", kind, len(b))
		}
		if xid = binary.BigEndian.Uint32(b[1:]); xid == 0 {
			return 0, nil, corrupt("kind %q in a stream block without a transaction", kind)
		}
		b[xidSize] = kind
		return xid, b[xidSize:], nil
	default:
		return 0, nil, corrupt("kind %q in a stream block", kind)
	}
}
