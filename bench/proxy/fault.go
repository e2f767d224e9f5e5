package proxy

import "slices"

// Direction is one of the two ways through the proxy.
type Direction int

const (
	Up   Direction = iota // from client to target
	Down                  // from target to client
)

func (d Direction) String() string { return [...]string{"up", "down"}[d] }

// state is the fault that lasts.
type state int

const (
	open state = iota
	cut
	halfOpen
)

// Cut closes all connections, and new ones as soon as they are made, until Resume.
func (p *Proxy) Cut() {
	p.mu.Lock()
	p.state = cut
	conns := slices.Clone(p.conns)
	p.mu.Unlock()
	for _, c := range conns {
		c.hangUp()
	}
}

// HalfOpen swallows whatever is sent, or is under way, in both directions until Resume. Nobody is
// told: connections stay, and new ones can be made, whose first byte is already lost.
func (p *Proxy) HalfOpen() { p.set(halfOpen) }

// Resume ends Cut and HalfOpen. Connections that have lost something stay silent.
func (p *Proxy) Resume() { p.set(open) }

func (p *Proxy) set(s state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
}

// ResetOne resets a random connection, both ends of it, and reports whether there was one.
func (p *Proxy) ResetOne() bool {
	p.mu.Lock()
	victim := p.victim()
	p.mu.Unlock()
	if victim == nil {
		return false
	}
	victim.reset()
	return true
}

// victim takes a random connection out of those that can be hit again.
func (p *Proxy) victim() *conn {
	if len(p.conns) == 0 {
		return nil
	}
	i := p.rng.IntN(len(p.conns))
	victim := p.conns[i]
	p.conns = slices.Delete(p.conns, i, i+1)
	p.count.Reset++
	return victim
}

// drop resets a connection whenever so many bytes more were carried.
type drop struct{ every, left int64 }

// DropEvery resets a random connection after every n bytes carried from now on, both directions
// and all connections together; 0 ends it.
func (p *Proxy) DropEvery(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop = drop{every: n, left: n}
}

// due reports whether the next n bytes make a drop due.
func (d *drop) due(n int) bool {
	if d.every <= 0 {
		return false
	}
	if d.left -= int64(n); d.left > 0 {
		return false
	}
	d.left = d.every
	return true
}

// way is what is known of a direction over all its connections.
type way struct {
	carried int64
	flips   []int64 // offsets among the carried bytes at which a bit is to be flipped
}

// FlipAfter flips a bit of the byte that comes after the next n bytes in direction d, whichever
// connection carries it. Each call flips one bit.
func (p *Proxy) FlipAfter(d Direction, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &p.ways[d]
	w.flips = append(w.flips, w.carried+max(n, 0))
}

// carry counts b, flips what is due in it, and returns how many bits were.
func (w *way) carry(b []byte) (flipped int64) {
	from, to := w.carried, w.carried+int64(len(b))
	w.carried = to
	w.flips = slices.DeleteFunc(w.flips, func(at int64) bool {
		if at >= to {
			return false
		}
		b[at-from] ^= 1
		flipped++
		return true
	})
	return flipped
}

// pass decides about b, which is about to leave connection c: it is carried, flipped where that
// is due, or swallowed. An empty b is the end of the stream, which can be lost as well.
func (p *Proxy) pass(c *conn, d Direction, b []byte) (carried bool) {
	p.mu.Lock()
	if p.state == halfOpen || c.silent {
		c.silent = true
		p.count.Swallowed += int64(len(b))
		p.mu.Unlock()
		return false
	}
	p.count.Flipped += p.ways[d].carry(b)
	var victim *conn
	if p.drop.due(len(b)) {
		victim = p.victim()
	}
	p.mu.Unlock()
	if victim != nil {
		victim.reset()
	}
	return true
}
