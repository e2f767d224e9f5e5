package pgoutput

// Decode reads the message b into m. Values and contents in m alias b. After an error m holds
// nothing that means anything.
func Decode(b []byte, m *Message) error {
	m.reset()
	c := cursor{b: b}
	m.Kind = c.byte()
	if err := m.body(&c); err != nil {
		return err
	}
	return c.end()
}

// reset forgets the last message but keeps its slices and its prefix, which is likely to come again.
func (m *Message) reset() {
	m.Relation, m.RelationID = nil, 0
	m.OldKind, m.Old, m.New = 0, m.Old[:0], m.New[:0]
	m.Relations, m.Content = m.Relations[:0], nil
}

func (m *Message) body(c *cursor) error {
	switch m.Kind {
	case 'I':
		m.RelationID = c.uint32()
		return m.newTuple(c, c.byte())
	case 'U':
		return m.update(c)
	case 'D':
		m.RelationID = c.uint32()
		return m.oldTuple(c, c.byte())
	case 'B':
		m.Begin = Begin{FinalLSN: c.lsn(), Time: c.time(), XID: c.uint32()}
	case 'C':
		return m.commit(c)
	case 'O':
		m.Origin = Origin{LSN: c.lsn(), Name: string(c.cstring())}
	case 'R':
		return m.relation(c)
	case 'Y':
		m.Type = Type{ID: c.uint32(), Schema: c.schema(), Name: string(c.cstring())}
	case 'T':
		return m.truncate(c)
	case 'M':
		return m.logical(c)
	case 'S', 'E', 'c', 'A':
		return m.stream(c)
	default:
		if c.short {
			return corrupt("it is empty")
		}
		return corrupt("unknown kind %q", m.Kind)
	}
	return nil
}

func (m *Message) commit(c *cursor) error {
	if flags := c.byte(); flags != 0 {
		return corrupt("commit with unknown flags %#x", flags)
	}
	m.Commit = Commit{CommitLSN: c.lsn(), EndLSN: c.lsn(), Time: c.time()}
	return nil
}

// Bits of a Truncate's options.
const (
	cascade         = 1
	restartIdentity = 2
)

func (m *Message) truncate(c *cursor) error {
	n, options := c.uint32(), c.byte()
	if options&^(cascade|restartIdentity) != 0 {
		return corrupt("truncate with unknown options %#x", options)
	}
	m.Cascade, m.RestartIdentity = options&cascade != 0, options&restartIdentity != 0
	if uint64(n)*4 != uint64(len(c.b)) {
		return corrupt("truncate of %d relations in %d bytes", n, len(c.b))
	}
	for range n {
		m.Relations = append(m.Relations, c.uint32())
	}
	return nil
}

func (m *Message) logical(c *cursor) error {
	flags := c.byte()
	if flags > 1 {
		return corrupt("logical message with unknown flags %#x", flags)
	}
	m.Transactional, m.LSN = flags == 1, c.lsn()
	if prefix := c.cstring(); string(prefix) != m.Prefix { // the comparison does not allocate
		m.Prefix = string(prefix)
	}
	n := c.uint32()
	if uint64(n) != uint64(len(c.b)) {
		return corrupt("logical message of %d bytes in %d", n, len(c.b))
	}
	m.Content = c.take(int(n))
	return nil
}
