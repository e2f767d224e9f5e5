package pgoutput

import "strings"

// leastColumn is the wire size of a column with an empty name; a count of columns is believed only
// when that many can still come.
const leastColumn = 1 + 1 + 4 + 4

func (m *Message) relation(c *cursor) error {
	r := &Relation{ID: c.uint32(), Schema: c.schema(), Name: string(c.cstring()), Identity: c.byte()}
	n := c.uint16()
	if c.short {
		return c.end()
	}
	if !strings.ContainsRune("dnfi", rune(r.Identity)) {
		return corrupt("relation with unknown replica identity %q", r.Identity)
	}
	if n*leastColumn > len(c.b) {
		return corrupt("relation of %d columns in %d bytes", n, len(c.b))
	}
	r.Columns = make([]Column, n)
	for i := range r.Columns {
		flags := c.byte()
		if flags > 1 {
			return corrupt("column with unknown flags %#x", flags)
		}
		r.Columns[i] = Column{Key: flags == 1, Name: string(c.cstring()), Type: c.uint32(), Modifier: int32(c.uint32())}
	}
	m.Relation, m.RelationID = r, r.ID
	return nil
}
