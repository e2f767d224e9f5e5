package stream

import (
	"net"
	"time"
)

// The server sends every message by itself. While many come one after another the kernel is asked to wake
// us for gatherBytes at a time, or [local] waits for as much: waking for each takes more of both machines
// than what is read. Less than that is looked for after gatherFor.
const (
	gatherBytes = 16 << 10
	gatherFor   = 4 * time.Millisecond
	smallRead   = 4 << 10
	rush        = 16 // small reads, each less than quiet after the one before
)

// gatherer knows when to ask.
type gatherer struct {
	ask   func(bytes int) error // that less is not worth waking for; nil: nothing can be asked
	on    bool
	came  bool // something, since passed was called or it is on
	small int
	last  time.Time
}

func newGatherer(conn net.Conn) *gatherer {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok { // below TLS
		conn = c.NetConn()
	}
	g := &gatherer{}
	switch c := conn.(type) {
	case *net.TCPConn:
		if socket, err := c.SyscallConn(); err == nil {
			g.ask = func(bytes int) error { return lowWater(socket, bytes) }
		}
	case interface{ lowWater(bytes int) error }: // local
		g.ask = c.lowWater
	}
	return g
}

// read takes note of a read of n bytes.
func (g *gatherer) read(n int, now time.Time) {
	if g.came = true; g.ask == nil || g.on {
		return
	}
	if n >= smallRead || now.Sub(g.last) > quiet {
		g.small = 0
	}
	g.last = now
	if g.small++; g.small >= rush {
		g.set(true)
	}
}

// passed takes note that gatherFor has passed, and reports whether it is worth another look. Where nothing
// has come since the last one the reader is woken for every byte again.
func (g *gatherer) passed() (again bool) {
	switch {
	case !g.on:
		return false
	case g.came:
		g.came = false
		return true // a read takes what there is, however little
	}
	g.set(false)
	return false
}

func (g *gatherer) set(on bool) {
	bytes := 1
	if on {
		bytes = gatherBytes
	}
	g.small = 0
	if err := g.ask(bytes); err != nil {
		g.ask, g.on = nil, false // it is as before
		return
	}
	g.on = on
}
