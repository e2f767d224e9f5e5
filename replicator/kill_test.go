package replicator_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/status"
)

// hooks are the dangerous instants at which an engine kills itself in TestKilledAtEveryHook.
var hooks = []string{
	"engine: plan saved", "engine: before slot", "engine: slot made",
	"engine: chunk read", "target: chunk before commit", "target: chunk after commit", "engine: chunk received",
	"engine: before marker", "engine: step KEY INDEX", "engine: step INDEX", "engine: step ANALYZE",
	"engine: step VALIDATE", "apply: before commit", "apply: after commit",
	"stream: before sync", "stream: after sync", "stream: status sent",
	"changelog: before write", "changelog: before fsync", "changelog: after fsync",
}

// TestKilledUnderLoad kills the engine at random moments of a seed while the tables are hammered,
// lets it go on each time, catches up, and wants both sides equal.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 99))
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(4000))
	h := startHammer(t, p.source, seed, 3, 4000)
	kills := 0
	for kills < 25 {
		e := startEngine(t, orders{Options: p.o})
		select {
		case <-e.gone:
			t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
		case <-time.After(time.Duration(200+r.IntN(1800)) * time.Millisecond):
		}
		e.kill()
		kills++
	}
	p.finish(h)
	t.Logf("%d kills, %d commits", kills, h.commits.Load())
}

// TestKilledAtEveryHook kills the engine once at each dangerous instant.
func TestKilledAtEveryHook(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 98))
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(3000))
	h := startHammer(t, p.source, seed, 2, 3000)
	for _, hook := range hooks {
		nth := 1
		if strings.Contains(hook, "chunk") || strings.HasPrefix(hook, "stream") || strings.HasPrefix(hook, "apply") {
			nth = 1 + r.IntN(3) // these come again and again
		}
		e := startEngine(t, orders{Options: p.o, KillAt: hook, KillNth: nth})
		if e.await(p.o.Dir, status.Following) {
			// Only what comes again and again can still come; the load makes it come.
			select {
			case <-e.gone:
			case <-time.After(time.Minute):
				t.Errorf("engine was not killed at %q", hook)
			}
		}
		e.kill()
		if !strings.Contains(e.out.String(), "killed at "+hook) {
			t.Errorf("engine was not killed at %q but ended with %d", hook, e.code)
		}
	}
	p.finish(h)
}

// TestKilledInCatchup kills the engine at each instant of the catch-up and finishes it.
func TestKilledInCatchup(t *testing.T) {
	seed := seedOf(t)
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(500))
	h := startHammer(t, p.source, seed, 2, 500)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.terminate()
	h.stop()
	for _, hook := range []string{"engine: fence remembered", "engine: fence raised", "target: chunk before commit", "engine: before finish", "engine: before open", "engine: target open"} {
		e := startEngine(t, orders{Options: p.o, Catchup: true, KillAt: hook, KillNth: 1})
		<-e.gone
		if e.code != -1 {
			t.Fatalf("catch-up was not killed at %q but ended with %d:\n%s", hook, e.code, e.out)
		}
	}
	e = startEngine(t, orders{Options: p.o})
	<-e.gone
	if e.code != 0 {
		t.Fatalf("a seed of an open job ended with %d:\n%s", e.code, e.out)
	}
	p.compare()
}

// finish stops the load, catches up and compares.
func (p *pair) finish(h *hammer) {
	p.t.Helper()
	e := startEngine(p.t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	h.stop()
	report, err := p.catchup(replicator.CatchupOptions{Timeout: 5 * time.Minute})
	if err != nil {
		p.t.Fatalf("catch-up: %v\n%s", err, e.out)
	}
	<-e.gone
	if e.code != 0 {
		p.t.Errorf("engine ended with %d after the catch-up:\n%s", e.code, e.out)
	}
	for _, tab := range report.Tables {
		if !tab.Equal {
			p.t.Errorf("report: table %s differs", tab.Name)
		}
	}
	if len(report.MissedRows) > 0 {
		p.t.Errorf("changes that found no row: %v", report.MissedRows)
	}
	p.compare()
}
