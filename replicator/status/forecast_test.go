package status

import (
	"math"
	"strings"
	"testing"
	"time"

	"replicator/replicator/sizing/forecast"
)

// TestForecastLearns: a copy that is slower than foretold moves the end, and following ends it.
func TestForecastLearns(t *testing.T) {
	began := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	seed := forecast.Seed{Prepare: 10, Copy: 100, Index: 20, Constrain: 10, Total: 140}
	p := &planner{seed: seed, bytes: 1000, forecast: Forecast{P50: 140, P95: 170}}
	c := Course{Began: began}

	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	near("before rows", p.look(c, 0, at(5)).Expected, 140)
	c.reach(Copying, at(10))
	f := p.look(c, 500, at(110))
	near("twice as slow", f.Expected, 110+100+60)
	near("factor", f.Slower, 2)
	if s := f.String(); !strings.Contains(s, "takes 4 min 30 s") || !strings.Contains(s, "2 min 20 s foretold") {
		t.Error(s)
	}
	c.reach(Indexing, at(210))
	c.reach(CatchingUp, at(260)) // does not move what was reached
	near("copied", p.look(c, 1000, at(260)).Expected, 10+200+60)
	c.reach(Following, at(300))
	c.reach(Following, at(900))
	f = p.look(c, 1000, at(5000))
	near("took", f.Elapsed, 300)
	near("expected is what it took", f.Expected, 300)
	if s := f.String(); !strings.Contains(s, "took 5 min 0 s") {
		t.Error(s)
	}
}

// TestTrackerForetells: without a forecast there is none to show.
func TestTrackerForetells(t *testing.T) {
	tr := NewTracker("j")
	if tr.Status().Forecast != nil {
		t.Error("a forecast that nobody made")
	}
	tr.Resume(Course{Began: time.Now().Add(-time.Minute)})
	tr.Foretell(Forecast{P50: 140, P95: 170}, forecast.Seed{Copy: 100, Total: 140}, 1000)
	tr.SetPhase(Copying)
	if c := tr.Course(); c.Copying.IsZero() {
		t.Errorf("course: %+v", c)
	}
	if f := tr.Status().Forecast; f == nil || f.Elapsed < 60 || f.P50 != 140 {
		t.Errorf("forecast: %+v", f)
	}
}
