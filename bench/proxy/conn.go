package proxy

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
)

// conn is a client's connection and, once it is joined, the one to the target.
type conn struct {
	p      *Proxy
	lines  [2]*line // by Direction
	silent bool     // has lost something; under p.mu

	mu     sync.Mutex
	ends   []*net.TCPConn // client, target
	ending bool           // hung up or reset: ends that join late are closed at once
	hard   bool           // reset
}

func newConn(p *Proxy, client *net.TCPConn) *conn {
	return &conn{
		p: p, ends: []*net.TCPConn{client},
		lines: [2]*line{Up: newLine(p.cfg.Buffer), Down: newLine(p.cfg.Buffer)},
	}
}

// admit takes c in, unless the line is cut or the proxy closed.
func (p *Proxy) admit(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.Accepted++
	if p.closed || p.state == cut {
		p.count.Refused++
		return false
	}
	c.silent = p.state == halfOpen
	p.conns = append(p.conns, c)
	return true
}

// forget ends c, however far it came.
func (p *Proxy) forget(c *conn) {
	c.hangUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(other *conn) bool { return other == c })
}

func (c *conn) isSilent() bool {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.silent
}

// join adds the connection to the target, which may come after the end.
func (c *conn) join(target *net.TCPConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, target)
	if c.ending {
		closeEnd(target, c.hard)
	}
}

// hangUp closes both ends. What is under way is lost.
func (c *conn) hangUp() { c.end(false) }

// reset closes both ends in a way that they are told with RST.
func (c *conn) reset() { c.end(true) }

func (c *conn) end(hard bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		return
	}
	c.ending, c.hard = true, hard
	for _, e := range c.ends {
		closeEnd(e, hard)
	}
	for _, l := range c.lines {
		l.close()
	}
}

func closeEnd(e *net.TCPConn, hard bool) {
	if hard {
		_ = e.SetLinger(0)
	}
	_ = e.Close() // what was written is lost or not: that is a line's right
}

// run carries both directions and returns when both have ended. Without a target everything of the
// client's is swallowed.
func (c *conn) run(client, target *net.TCPConn) {
	var work sync.WaitGroup
	work.Go(func() { c.feed(Up, client) })
	work.Go(func() { c.drain(Up, target) })
	if target != nil {
		work.Go(func() { c.feed(Down, target) })
		work.Go(func() { c.drain(Down, client) })
	}
	work.Wait()
}

// feed reads from one end into its line.
func (c *conn) feed(d Direction, from *net.TCPConn) {
	l, pace, delay := c.lines[d], &c.p.paces[d], c.p.cfg.line(d).Delay
	var slab slab
	for {
		b, err := slab.read(from, pace.most())
		leaves := pace.reserve(len(b))
		if len(b) > 0 && !l.put(piece{data: b, due: leaves.Add(delay)}) {
			return
		}
		if err != nil {
			l.put(piece{due: leaves.Add(delay), last: true, broken: !errors.Is(err, io.EOF)})
			return
		}
		wait(l.closed, leaves) // the sender feels the rate, not only the receiver
	}
}

// drain writes what comes out of a line to the other end, which a silent connection need not have.
func (c *conn) drain(d Direction, to *net.TCPConn) {
	l := c.lines[d]
	for {
		pc, ok := l.take()
		if !ok || !wait(l.closed, pc.due) {
			return
		}
		carried := c.p.pass(c, d, pc.data)
		switch {
		case !carried && pc.last:
			return // the end of the stream is lost as well
		case !carried:
		case pc.broken:
			c.reset()
			return
		case pc.last:
			_ = to.CloseWrite() // fails when the end has gone, which its own direction notices
			return
		default:
			if _, err := to.Write(pc.data); err != nil {
				c.reset()
				return
			}
		}
	}
}

func (cfg *Config) line(d Direction) Line {
	if d == Up {
		return cfg.Up
	}
	return cfg.Down
}
