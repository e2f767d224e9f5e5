package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"replicator/bench/proxy"
)

// Link is the wire with a distance.
type Link struct {
	*Wire
	Mbit int
	RTT  time.Duration
	// Always puts the proxy in between, also without distance: for faults, and to compare
	// distances without the proxy's own cost.
	Always  bool
	proxies []*proxy.Proxy
}

func (l *Link) String() string {
	return fmt.Sprintf("%s, %d ms round trip", RateName(l.Mbit), l.RTT.Milliseconds())
}

// RateName spells a rate in Mbit/s.
func RateName(mbit int) string {
	if mbit%1000 == 0 {
		return fmt.Sprintf("%d Gbit/s", mbit/1000)
	}
	return fmt.Sprintf("%d Mbit/s", mbit)
}

// buffer is what TCP would have under way between two hosts tuned for the link: twice what the
// line holds, and some MiB.
func (l *Link) buffer() int {
	return 4<<20 + int(2*l.RTT.Seconds()*float64(l.Mbit)*1e6/8)
}

// Far returns the address at which address, of either site, is found from the other site. Bytes
// from the source pass the wire first and the distance then: whatever the proxy holds has paid for
// the wire.
func (l *Link) Far(ctx context.Context, address string) (string, error) {
	if l.RTT == 0 && !l.Always {
		return address, nil
	}
	p, err := l.proxy(ctx, address)
	if err != nil {
		return "", err
	}
	l.proxies = append(l.proxies, p)
	return p.Addr(), nil
}

func (l *Link) proxy(ctx context.Context, address string) (p *proxy.Proxy, err error) {
	line := proxy.Line{Delay: l.RTT / 2}
	err = l.Target.Do(func() error {
		p, err = proxy.Listen(ctx, proxy.Config{
			Listen: TargetIP + ":0", Target: address, Up: line, Down: line, Buffer: l.buffer(),
			Dial: func(ctx context.Context, address string) (*net.TCPConn, error) {
				return Dial(ctx, l.Target, address)
			},
		})
		return err
	})
	return p, err
}

// Each switches a fault on or off in all ways of the link.
func (l *Link) Each(do func(*proxy.Proxy)) {
	for _, p := range l.proxies {
		do(p)
	}
}

// Close ends the proxies.
func (l *Link) Close() {
	for _, p := range l.proxies {
		p.Close()
	}
	l.proxies = nil
}

// Pipe is a TCP connection from the source's site to the target's: what ssh would be for a dump
// that goes through a pipe, without the cipher.
func (l *Link) Pipe(ctx context.Context) (from, to *net.TCPConn, err error) {
	var ln *net.TCPListener
	err = l.Target.Do(func() error {
		nl, err := (&net.ListenConfig{}).Listen(ctx, "tcp", TargetIP+":0")
		if err == nil {
			ln = nl.(*net.TCPListener)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	address, err := l.Far(ctx, ln.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	if from, err = Dial(ctx, l.Source, address); err != nil {
		return nil, nil, err
	}
	if to, err = ln.AcceptTCP(); err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	return from, to, nil
}

// Join is Pipe for programs at either site.
func (l *Link) Join(ctx context.Context) (out, in *os.File, err error) {
	from, to, err := l.Pipe(ctx)
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

// Dial connects from within a namespace.
func Dial(ctx context.Context, n Netns, address string) (conn *net.TCPConn, err error) {
	err = n.Do(func() error {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			conn = c.(*net.TCPConn)
		}
		return err
	})
	return conn, err
}
