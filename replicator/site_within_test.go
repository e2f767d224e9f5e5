package replicator_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"replicator/bench/proxy"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// inside is a job and the service of its target's site, both in this process, so that a test sees and changes what
// they say to each other.
type inside struct {
	p      *pair
	line   *proxy.Proxy
	out    syncBuffer
	seeded chan error
}

// within moves a pair's target to another site, at both ends tam, and returns when it follows.
func (p *pair) within(tam *tamperer, distance proxy.Line) *inside {
	p.t.Helper()
	in := &inside{p: p, seeded: make(chan error, 1)}
	log := slog.New(slog.NewTextHandler(&in.out, nil))
	certs := newCertificates(p.t)
	listening, tracked, served := make(chan net.Addr, 1), make(chan *status.Tracker, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(p.t.Context())
	go func() {
		served <- replicator.Serve(ctx, replicator.ServeOptions{
			Target: p.target, Listen: "127.0.0.1:0", Dir: filepath.Join(p.t.TempDir(), "serve"), Logger: log, Tamper: tam.wrap,
			Cert: certs.file("target.crt"), Key: certs.file("target.key"), CA: certs.file("ca.crt"),
			Listening: func(a net.Addr) { listening <- a },
		})
	}()
	var at net.Addr
	select {
	case at = <-listening:
	case err := <-served:
		p.t.Fatalf("service ended with %v\n%s", err, in.out.String())
	}
	var err error
	if in.line, err = proxy.Listen(ctx, proxy.Config{Target: at.String(), Up: distance, Down: distance}); err != nil {
		p.t.Fatal(err)
	}
	p.o.Target, p.o.Logger, p.o.Tamper = "", log, tam.wrap
	p.o.Link = replicator.Link{Host: in.line.Addr(), Cert: certs.file("source.crt"), Key: certs.file("source.key"), CA: certs.file("ca.crt")}
	p.o.OnTracker = func(tr *status.Tracker) { tracked <- tr }
	go func() { in.seeded <- replicator.Seed(ctx, p.o); close(in.seeded) }()
	p.t.Cleanup(func() {
		stop()
		for range in.seeded {
		}
		if err := <-served; fault.CodeOf(err) != fault.Interrupted {
			p.t.Errorf("service ended with %v", err)
		}
		in.line.Close()
		checkCanary(p.t, in.out.String())
	})
	var tr *status.Tracker
	for tr == nil || tr.Status().Phase != status.Following {
		select {
		case tr = <-tracked:
		case err := <-in.seeded:
			p.t.Fatalf("engine ended with %v\n%s", err, in.out.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return in
}

// mustEnd waits until the engine has ended, without an error.
func (in *inside) mustEnd() {
	in.p.t.Helper()
	if err := <-in.seeded; err != nil {
		in.p.t.Errorf("engine ended with %v", err)
	}
}

// tamperer stands between TLS and the messages on both ends, and changes what is written there.
type tamperer struct {
	mu     sync.Mutex
	r      *rand.Rand
	change func(t *tamperer, c *tampered, message []byte) [][]byte // what goes out in its place
	done   atomic.Int64                                            // messages changed
}

func (t *tamperer) wrap(c net.Conn) net.Conn { return &tampered{Conn: c, t: t} }

// tampered gathers whole messages and hands them to the tamperer.
type tampered struct {
	net.Conn
	t    *tamperer
	mu   sync.Mutex
	part []byte
	past bool // the preamble is behind us
	kept []byte
}

// The layout of a message: see package link.
const (
	preambleBytes = 18
	headerBytes   = 72
)

func (c *tampered) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.part = append(c.part, b...)
	for {
		n := preambleBytes
		if c.past {
			if len(c.part) < headerBytes {
				return len(b), nil
			}
			n = headerBytes + int(binary.BigEndian.Uint64(c.part[8:]))
		}
		if len(c.part) < n {
			return len(b), nil
		}
		out := [][]byte{c.part[:n]}
		if c.past {
			c.t.mu.Lock()
			out = c.t.change(c.t, c, c.part[:n])
			c.t.mu.Unlock()
		}
		for _, m := range out {
			if _, err := c.Conn.Write(m); err != nil {
				return 0, err
			}
		}
		c.part, c.past = append([]byte(nil), c.part[n:]...), true
	}
}
