package link

import (
	"sync"
	"time"

	"replicator/replicator/link/pace"
)

// meter sums up what goes over all connections of a link, those that are gone included. It counts
// beneath TLS.
type meter struct {
	mu    sync.Mutex
	conns map[*pace.Conn]struct{}
	gone  traffic // of those that are gone
}

// traffic is what was written, and how long that took.
type traffic struct {
	written       int64
	blocked, held time.Duration // waiting for the wire or the cap, and for the cap alone
}

func (t *traffic) add(c *pace.Conn) {
	t.written += c.Written()
	t.blocked += c.Blocked()
	t.held += c.Held()
}

// add counts a connection in.
func (m *meter) add(c *pace.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conns == nil {
		m.conns = map[*pace.Conn]struct{}{}
	}
	m.conns[c] = struct{}{}
}

// end keeps the sums of a connection that is closed.
func (m *meter) end(c *pace.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.conns[c]; there {
		delete(m.conns, c)
		m.gone.add(c)
	}
}

// sums are those since the link was made.
func (m *meter) sums() traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := m.gone
	for c := range m.conns {
		sum.add(c)
	}
	return sum
}
