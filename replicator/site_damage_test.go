package replicator_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/bench/proxy"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

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

// tamperedMove moves a hammered database with a tamperer on both ends.
func tamperedMove(t *testing.T, tam *tamperer) {
	t.Helper()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(4000))
	seed := seedOf(t)
	tam.r = rand.New(rand.NewPCG(seed, 95))
	h := startHammer(t, p.source, seed, 2, 4000)
	certs := newCertificates(t)
	listening := make(chan net.Addr, 1)
	var out syncBuffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- replicator.Serve(ctx, replicator.ServeOptions{
			Target: p.target, Listen: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "serve"), Logger: log, Tamper: tam.wrap,
			Cert: certs.file("target.crt"), Key: certs.file("target.key"), CA: certs.file("ca.crt"),
			Listening: func(a net.Addr) { listening <- a },
		})
	}()
	defer func() {
		stop()
		if err := <-served; fault.CodeOf(err) != fault.Interrupted {
			t.Errorf("service ended with %v", err)
		}
		checkCanary(t, out.String())
	}()
	p.o.Target, p.o.Logger, p.o.Tamper = "", log, tam.wrap
	p.o.Link = replicator.Link{Host: (<-listening).String(), Cert: certs.file("source.crt"), Key: certs.file("source.key"), CA: certs.file("ca.crt")}
	tracker := make(chan *status.Tracker, 1)
	p.o.OnTracker = func(tr *status.Tracker) { tracker <- tr }
	seeded := make(chan error, 1)
	go func() { seeded <- replicator.Seed(ctx, p.o) }()
	tr := <-tracker
	for tr.Status().Phase != status.Following {
		select {
		case err := <-seeded:
			t.Fatalf("engine ended with %v\n%s", err, out.String())
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
	h.stop()
	p.mustCatchup()
	if err := <-seeded; err != nil {
		t.Errorf("engine ended with %v", err)
	}
	p.compare()
}

// rowsMessage is the kind of a message with rows.
const rowsMessage = 7

// TestDamageInside flips bits after TLS, in rows, changes, calls and answers: all is found and sent
// again.
func TestDamageInside(t *testing.T) {
	copying := false
	tam := &tamperer{change: func(t *tamperer, _ *tampered, m []byte) [][]byte {
		// Before rows are copied both ends may not have met, and an engine that never met its target end
		// ends. The second frame of rows is always damaged.
		again := copying && m[4] == rowsMessage && t.done.Load() == 0
		copying = copying || m[4] == rowsMessage
		if again || copying && t.r.IntN(100) == 0 {
			m[t.r.IntN(len(m))] ^= 1 << t.r.IntN(8)
			t.done.Add(1)
		}
		return [][]byte{m}
	}}
	tamperedMove(t, tam)
	if tam.done.Load() == 0 {
		t.Error("nothing was damaged")
	}
}

// TestReplayInside sends messages twice, at once and later: they count once. Now and then it sends one of
// another connection, whose number may be the next one here: it is damage, and ends the connection.
func TestReplayInside(t *testing.T) {
	var foreign *tampered // whose message kept is
	var kept []byte
	strange := 0
	copying := false // see TestDamageInside
	tam := &tamperer{change: func(t *tamperer, c *tampered, m []byte) [][]byte {
		copying = copying || m[4] == rowsMessage
		out := [][]byte{m}
		switch n := t.r.IntN(200); {
		case foreign != nil && foreign != c && (n == 50 || copying && strange == 0):
			out = append(out, kept)
			strange++
		case n < 25:
			out = append(out, m)
		case n < 50 && c.kept != nil:
			out = append(out, c.kept)
		}
		t.done.Add(int64(len(out) - 1))
		if t.r.IntN(20) == 0 {
			c.kept = bytes.Clone(m)
			kept, foreign = c.kept, c
		}
		return out
	}}
	tamperedMove(t, tam)
	if tam.done.Load() == 0 || strange == 0 {
		t.Error("nothing was replayed")
	}
}

// TestDamageBeneath flips bits beneath TLS, in both directions.
func TestDamageBeneath(t *testing.T) {
	p, s := farPair(t, 4000)
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 94))
	h := startHammer(t, p.source, seed, 2, 4000)
	s.line.FlipAfter(proxy.Up, 5000)
	e := startEngine(t, orders{Options: p.o})
	for i := range 8 {
		want := int64(i + 1)
		e.awaitStatus(p.o.Dir, func(status.Status) bool { return s.line.Counters().Flipped >= want })
		s.line.FlipAfter([]proxy.Direction{proxy.Up, proxy.Down}[i%2], int64(500+r.IntN([]int{100_000, 3000}[i%2])))
	}
	e.mustReach(p.o.Dir, status.Following)
	p.finishWith(e, h)
	if n := s.line.Counters().Flipped; n < 8 {
		t.Errorf("%d bits were flipped", n)
	}
}
