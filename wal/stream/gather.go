package stream

import (
	"net"
	"syscall"
	"time"
)

// The server sends every message by itself. While many come one after another the kernel is asked to wake
// us for gatherBytes at a time: waking for each takes more of both machines than what is read. Less than
// that is looked for after gatherFor.
const (
	gatherBytes = 16 << 10
	gatherFor   = 4 * time.Millisecond
	smallRead   = 4 << 10
	rush        = 16 // small reads, each less than quiet after the one before
)

// gatherer knows when to ask. Nothing is gathered where the connection is no TCP socket.
type gatherer struct {
	socket syscall.RawConn // nil: not to be asked
	on     bool
	came   bool // something, since passed was called or it is on
	small  int
	last   time.Time
}

func newGatherer(conn net.Conn) *gatherer {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok { // below TLS
		conn = c.NetConn()
	}
	g := &gatherer{}
	if c, ok := conn.(*net.TCPConn); ok {
		g.socket, _ = c.SyscallConn()
	}
	return g
}

// read takes note of a read of n bytes.
func (g *gatherer) read(n int, now time.Time) {
	if g.came = true; g.socket == nil || g.on {
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
	if err := lowWater(g.socket, bytes); err != nil {
		g.socket, g.on = nil, false // it is as before
		return
	}
	g.on = on
}
