package replicator_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// farPair is a hammered source and a target at another site.
func farPair(t *testing.T, rows int) (*pair, *site) {
	t.Helper()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(rows))
	return p, p.far()
}

// TestTwoSites moves a database under load to another site.
func TestTwoSites(t *testing.T) {
	p, _ := farPair(t, 4000)
	h := startHammer(t, p.source, seedOf(t), 3, 4000)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool {
		return s.Link != nil && s.Link.Connected && s.Link.RoundTrip > 0 && s.Link.WireBytes > 0 && s.Link.RawBytes > s.Link.WireBytes
	}) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	p.finishWith(e, h)
}

// met waits until both ends were reached: from then on an engine outlasts everything.
func (p *pair) met(e *engine) {
	p.t.Helper()
	if !e.await(p.o.Dir, status.Copying, status.Indexing, status.CatchingUp, status.Following) {
		p.t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
}

// TestEitherEndKilled kills engine and service at random moments under load, alone and together.
func TestEitherEndKilled(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 97))
	p, s := farPair(t, 4000)
	h := startHammer(t, p.source, seed, 3, 4000)
	e := startEngine(t, orders{Options: p.o})
	p.met(e)
	for range 20 {
		select {
		case <-e.gone:
			if e.code != int(fault.Link) { // a run that never reached the service says so and ends
				t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
			}
			e = startEngine(t, orders{Options: p.o})
			p.met(e)
			continue
		case <-time.After(time.Duration(200+r.IntN(1500)) * time.Millisecond):
		}
		which := r.IntN(3)
		if which != 0 {
			s.service.kill()
		}
		if which != 1 {
			e.kill()
		}
		if which != 0 {
			s.start(orders{})
		}
		if which != 1 {
			e = startEngine(t, orders{Options: p.o})
		}
	}
	e.mustReach(p.o.Dir, status.Following)
	p.finishWith(e, h)
}

// TestServiceKilledAtEveryHook kills the service once at each dangerous instant; the engine goes on
// with the next one.
func TestServiceKilledAtEveryHook(t *testing.T) {
	seed := seedOf(t)
	p, s := farPair(t, 3000)
	h := startHammer(t, p.source, seed, 2, 3000)
	s.service.kill()
	var e *engine
	for _, hook := range []string{"target: chunk before commit", "target: chunk after commit", "apply: before commit", "apply: after commit"} {
		s.start(orders{KillAt: hook, KillNth: 2})
		if e == nil {
			e = startEngine(t, orders{Options: p.o})
		}
		select {
		case <-s.service.gone:
		case <-e.gone:
			t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
		}
		if !strings.Contains(s.service.out.String(), "killed at "+hook) {
			t.Fatalf("service was not killed at %q:\n%s", hook, s.service.out)
		}
	}
	s.start(orders{})
	e.mustReach(p.o.Dir, status.Following)
	p.finishWith(e, h)
}

// TestServiceKilledInComparison kills the service when a catch-up has opened the views that it compares: they
// are gone, and it opens others with the next service.
func TestServiceKilledInComparison(t *testing.T) {
	t.Parallel()
	p, s := farPair(t, 500)
	p.followThenLeave()
	killed := false
	report, err := p.catchup(replicator.CatchupOptions{Link: p.o.Link, Hook: func(point string) {
		if point == "engine: views opened" && !killed {
			killed = true
			s.service.kill()
			s.start(orders{})
		}
	}})
	if err != nil || !killed || report.Outcome != catchup.Opened {
		t.Fatalf("killed %t, catch-up: %v", killed, err)
	}
	p.compare()
}

// TestLinkCut cuts the line, makes it half-open and resets connections, in every phase.
func TestLinkCut(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 96))
	p, s := farPair(t, 4000)
	h := startHammer(t, p.source, seed, 3, 4000)
	e := startEngine(t, orders{Options: p.o})
	p.met(e)
	for i := range 12 {
		select {
		case <-e.gone:
			t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
		case <-time.After(time.Duration(100+r.IntN(700)) * time.Millisecond):
		}
		switch {
		case i == 5: // one of these takes as long as it takes to be noticed
			s.line.HalfOpen()
			e.awaitStatus(p.o.Dir, func(s status.Status) bool { return s.Link != nil && !s.Link.Connected })
		case i%2 == 0:
			s.line.Cut()
			time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
		default:
			s.line.ResetOne()
		}
		s.line.Resume()
	}
	e.mustReach(p.o.Dir, status.Following)
	p.finishWith(e, h)
}

// TestSecondEngineIsFenced starts a second engine for a job that a living one has: it ends with 9.
func TestSecondEngineIsFenced(t *testing.T) {
	t.Parallel()
	p, _ := farPair(t, 300)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.terminate()
	second := p.o
	second.Dir = copyOfJob(t, p.o.Dir)
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e2 := startEngine(t, orders{Options: second})
	<-e2.gone
	if e2.code != int(fault.Fenced) {
		t.Errorf("the second engine ended with %d:\n%s", e2.code, e2.out)
	}
	select {
	case <-e.gone:
		t.Errorf("the first engine ended with %d:\n%s", e.code, e.out)
	default:
	}
	// A dead one is taken over from at once.
	e.kill()
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	<-e.gone
	p.compare()
}
