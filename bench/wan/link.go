package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"replicator/bench/proxy"
)

// link is the wire with a distance.
type link struct {
	*wire
	mbit int
	rtt  time.Duration
	// always puts the proxy in between, also without distance: for faults, and to compare
	// distances without the proxy's own cost.
	always  bool
	proxies []*proxy.Proxy
}

func (l *link) String() string {
	return fmt.Sprintf("%s, %d ms round trip", rateName(l.mbit), l.rtt.Milliseconds())
}

func rateName(mbit int) string {
	if mbit%1000 == 0 {
		return fmt.Sprintf("%d Gbit/s", mbit/1000)
	}
	return fmt.Sprintf("%d Mbit/s", mbit)
}

// buffer is what TCP would have under way between two hosts tuned for the link: twice what the
// line holds, and some MiB.
func (l *link) buffer() int {
	return 4<<20 + int(2*l.rtt.Seconds()*float64(l.mbit)*1e6/8)
}

// far returns the address at which address, of either site, is found from the other site. Bytes
// from the source pass the wire first and the distance then: whatever the proxy holds has paid for
// the wire.
func (l *link) far(ctx context.Context, address string) (string, error) {
	if l.rtt == 0 && !l.always {
		return address, nil
	}
	p, err := l.proxy(ctx, address)
	if err != nil {
		return "", err
	}
	l.proxies = append(l.proxies, p)
	return p.Addr(), nil
}

func (l *link) proxy(ctx context.Context, address string) (p *proxy.Proxy, err error) {
	line := proxy.Line{Delay: l.rtt / 2}
	err = l.target.do(func() error {
		p, err = proxy.Listen(ctx, proxy.Config{
			Listen: targetIP + ":0", Target: address, Up: line, Down: line, Buffer: l.buffer(),
			Dial: func(ctx context.Context, address string) (*net.TCPConn, error) {
				return dial(ctx, l.target, address)
			},
		})
		return err
	})
	return p, err
}

// each switches a fault on or off in all ways of the link.
func (l *link) each(do func(*proxy.Proxy)) {
	for _, p := range l.proxies {
		do(p)
	}
}

// close ends the proxies.
func (l *link) close() {
	for _, p := range l.proxies {
		p.Close()
	}
	l.proxies = nil
}

// pipe is a TCP connection from the source's site to the target's: what ssh would be for a dump
// that goes through a pipe, without the cipher.
func (l *link) pipe(ctx context.Context) (from, to *net.TCPConn, err error) {
	var ln *net.TCPListener
	err = l.target.do(func() error {
		nl, err := (&net.ListenConfig{}).Listen(ctx, "tcp", targetIP+":0")
		if err == nil {
			ln = nl.(*net.TCPListener)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	address, err := l.far(ctx, ln.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	if from, err = dial(ctx, l.source, address); err != nil {
		return nil, nil, err
	}
	if to, err = ln.AcceptTCP(); err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	return from, to, nil
}

// join is pipe for programs at either site.
func (l *link) join(ctx context.Context) (out, in *os.File, err error) {
	from, to, err := l.pipe(ctx)
	if err != nil {
		return nil, nil, err
	}
	if out, err = file(from); err == nil {
		in, err = file(to)
	}
	return out, in, err
}

// file takes the socket out of c, for a child.
func file(c *net.TCPConn) (*os.File, error) {
	f, err := c.File()
	return f, errors.Join(err, c.Close())
}

// dial connects from within a namespace.
func dial(ctx context.Context, n netns, address string) (conn *net.TCPConn, err error) {
	err = n.do(func() error {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			conn = c.(*net.TCPConn)
		}
		return err
	})
	return conn, err
}
