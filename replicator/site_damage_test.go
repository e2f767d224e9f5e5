package replicator_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"replicator/bench/cluster"
	"replicator/bench/proxy"
	"replicator/replicator/status"
)

// tamperedMove moves a hammered database with a tamperer on both ends.
func tamperedMove(t *testing.T, tam *tamperer) {
	t.Helper()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(4000))
	seed := seedOf(t)
	tam.r = rand.New(rand.NewPCG(seed, 95))
	h := startHammer(t, p.source, seed, 2, 4000)
	in := p.within(tam, proxy.Line{})
	h.stop()
	p.mustCatchup()
	in.mustEnd()
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
