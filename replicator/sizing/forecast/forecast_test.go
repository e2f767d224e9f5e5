package forecast

import (
	"math"
	"testing"
	"time"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// alone is a path on which nothing disturbs anything.
var alone = Path{IndexJobs: 2, Speedup: 2, CopyBeside: 1, IndexBeside: 1}

func TestCopyAndIndexOverlap(t *testing.T) {
	w := Work{Prepare: 3, Constraints: 1, Path: alone, Tables: []Table{
		{Bytes: 1000, Rate: 100, Chunks: 1, Steps: []float64{4, 2}, After: 1}, // copied at 10, done at 15
		{Bytes: 200, Rate: 100, Chunks: 1, Steps: []float64{5}, After: 1},     // copied at 12; a session is free then: done at 18
	}}
	s := w.Seed()
	near(t, "copy", s.Copy, 12)
	near(t, "index", s.Index, 6)
	near(t, "total", s.Total, 3+12+6+1)
}

func TestOneIndexJobWaitsInLine(t *testing.T) {
	w := Work{Path: Path{IndexJobs: 1, CopyBeside: 1, IndexBeside: 1}, Tables: []Table{{Bytes: 10, Rate: 10, Steps: []float64{2, 3}, After: 1}}}
	near(t, "index", w.Seed().Index, 6)
}

// TestSharedProcessor: where copy and index take turns, nothing is won by the overlap.
func TestSharedProcessor(t *testing.T) {
	p := Path{IndexJobs: 1, Speedup: 1, CopyBeside: 0.5, IndexBeside: 0.5}
	w := Work{Path: p, Tables: []Table{
		{Bytes: 10, Rate: 1, Steps: []float64{6}},
		{Bytes: 20, Rate: 1},
	}}
	s := w.Seed()
	// The first 10 alone; then 6 of index at half speed takes 12, in which 6 of the copy are done; 14 are left.
	near(t, "copy", s.Copy, 10+12+14)
	near(t, "index", s.Index, 0)
	near(t, "work is kept", s.Copy+s.Index, 10+20+6)
}

func TestSpeedupIsBounded(t *testing.T) {
	p := Path{IndexJobs: 4, Speedup: 9, CopyBeside: 1, IndexBeside: 1}
	near(t, "four at once", p.together([]float64{1, 1, 1, 1}), 1)
	p.Speedup = 0.2 // noise
	near(t, "never slower than in turn", p.together([]float64{1, 1, 1, 1}), 4)
	near(t, "nothing", p.together(nil), 0)
}

func TestChunksCost(t *testing.T) {
	w := Work{Path: alone, Tables: []Table{{Bytes: 100, Rate: 100, Chunks: 50}}}
	w.Path.Chunk = 0.1
	near(t, "copy", w.Seed().Copy, 6)
}

// wired is alone with a wire.
func wired(rate float64, sessions int) Path {
	p := alone
	p.Wire, p.Sessions = rate, sessions
	return p
}

// TestWireOrRest: a table that packs to nothing is read while another, which does not pack, fills the wire.
func TestWireOrRest(t *testing.T) {
	w := Work{Path: wired(10, 2), Tables: []Table{
		{Bytes: 1000, Packed: 1000, Rate: 100, Chunks: 1}, // 100 s of the wire, 10 s of the rest
		{Bytes: 4000, Packed: 0, Rate: 100, Chunks: 4},    // 40 s of the rest
	}}
	near(t, "two sessions", w.Seed().Copy, 100)
	near(t, "by sums", w.CopySeconds(), 100)
	w.Path.Sessions = 1
	near(t, "one after another", w.Seed().Copy, 140)
	w.Path.Wire = 1000
	w.Path.Sessions = 2
	near(t, "the rest limits", w.Seed().Copy, 50)
	w.Path.Alone = 0.5
	near(t, "one session reaches half", w.Seed().Copy, 60) // the last chunk is alone
}

// TestWireIsNotDisturbed: indexes beside a copy that waits for the wire cost it nothing.
func TestWireIsNotDisturbed(t *testing.T) {
	p := Path{IndexJobs: 1, Speedup: 1, CopyBeside: 0.5, IndexBeside: 0.5, Wire: 1, Sessions: 1}
	w := Work{Path: p, Tables: []Table{
		{Bytes: 10, Packed: 10, Rate: 100, Steps: []float64{6}},
		{Bytes: 20, Packed: 20, Rate: 100},
	}}
	s := w.Seed()
	near(t, "copy", s.Copy, 30)
	near(t, "index", s.Index, 0)
	w.Tables[1].Bytes = 2000 // 20 s of either: the copy needs all of the rest, and loses half of it
	if s := w.Seed(); s.Copy < 35 {
		t.Errorf("copy %v beside an index that takes half of it", s.Copy)
	}
}

// TestOneStreamDoesNotFillTheWire: the last chunk has no more of it than one stream gets.
func TestOneStreamDoesNotFillTheWire(t *testing.T) {
	w := Work{Path: wired(10, 2), Tables: []Table{{Bytes: 100, Packed: 100, Chunks: 3, Rate: 1e6}}}
	near(t, "filled by one", w.Seed().Copy, 10)
	w.Path.OneStream = 0.5
	near(t, "filled by two", w.Seed().Copy, 100.0/3*2/10+100.0/3/5)
}

func TestDivide(t *testing.T) {
	need, speeds := []float64{1, 2, 4}, []float64{0.1, 1, 1}
	divide(1, need, speeds)
	near(t, "what wants little has it", speeds[0], 0.1)
	near(t, "the same share", need[1]*speeds[1], 0.45)
	near(t, "the same share", need[2]*speeds[2], 0.45)
	divide(9, need, speeds)
	near(t, "nothing to divide", speeds[2], 0.45/4)
}

func TestCatchUp(t *testing.T) {
	w := Work{Path: alone, Tables: []Table{{Bytes: 1000, Rate: 10}}, Changes: 100, Apply: 1100}
	near(t, "catch up", w.Seed().CatchUp, 5) // 100 s of changes, half of them in chunks that were read later
	w.Apply = 90
	if s := w.Seed(); !s.Behind || s.CatchUp != 0 {
		t.Errorf("a source that is faster than apply: %+v", s)
	}
	w.Apply = 0
	if s := w.Seed(); s.Behind || s.CatchUp != 0 {
		t.Errorf("apply was not measured: %+v", s)
	}
}

func TestEmptyDatabase(t *testing.T) {
	w := Work{Prepare: 2}
	near(t, "total", w.Seed().Total, 2)
	w.Tables = []Table{{Name: "empty"}, {Name: "empty too", Steps: []float64{0}}}
	near(t, "tables without rows", w.Seed().Total, 2)
}

func TestWindow(t *testing.T) {
	f := Finish{Session: 0.1, Ask: 0.2, Commit: 0.4, Catalog: 0.5, Schema: 1, Lag: 500, Apply: 1000, Late: 3, Objects: 0.1, Sequences: 1000, Steps: 10, Views: 6,
		Compare: 8000, ScanRate: 2000, Tables: 10, PerTable: 0.1, Groups: 2, PerGroup: 0.25, Questions: 3}
	w := f.Window()
	near(t, "fence", w.Fence, 0.1+0.2+0.4+fencePause+puts*0.2)
	near(t, "drain", w.Drain, 0.7+0.5)
	near(t, "late tables", w.Late, 0.1+2*0.5+3)
	near(t, "large objects", w.Objects, 0.3+0.1)
	near(t, "sequences", w.Sequences, 0.1+0.4+0.3)
	near(t, "finish", w.Finish, 0.1+4+6)
	near(t, "verify", w.Verify, 4+1+0.5+3*0.2)
	near(t, "proof", w.Proof, 0.2+0.1+0.7+0.3)
	near(t, "total", w.Total, w.Fence+w.Drain+w.Late+w.Objects+w.Sequences+w.Finish+w.Verify+w.Proof+w.Open)
	f.Sums, f.Down = 12000, 2000
	near(t, "the way of the fingerprints", f.Window().Verify, 6+1+0.5+3*0.2)
	f.Sums, f.ScanRate = 0, 0
	near(t, "not measured", f.Window().Verify, 1+0.5+3*0.2)
	f.Schema = 100
	longer := f.Window()
	near(t, "the schema takes longer than the steps beside it", longer.Late+longer.Objects+longer.Sequences+longer.Finish+longer.Verify+longer.Proof, 100+1.3)
	p := f.Proved()
	near(t, "after a clean verification", p.Window().Verify, 0)
}

func TestCrowd(t *testing.T) {
	f := Finish{Schema: 2, Crowd: 0.5, Compare: 10, ScanRate: 1}
	near(t, "comparing beside the schema", f.Window().Verify, 11)
	f.Late = 5
	near(t, "late tables come first", f.Window().Late, 6)
}

func TestWindowRange(t *testing.T) {
	w := Window{Total: 1}
	if r := w.Range(0.15, 0); r.P95 < 1.4 || r.P50 != 1 {
		t.Errorf("a window of a second: %+v", r)
	}
	w.Total = 1000
	near(t, "a long one", w.Range(0.15, 0).P95/NewRange(1000, 0.15).P95, 1)
}

func TestRange(t *testing.T) {
	r := NewRange(100, 0.2)
	near(t, "P95", r.P95, 100*(1+p95*math.Sqrt(0.2*0.2+leastSpread*leastSpread)))
	near(t, "never surer than a sample is", NewRange(100, 0).P95, 100*(1+p95*leastSpread))
	near(t, "spread", Spread([]float64{8, 10, 12}), 0.2/math.Sqrt(3))
	near(t, "spread of too little", Spread([]float64{8, 12}), 0)
	near(t, "stretched a hundred times", Stretch(0.01), 0.1)
	near(t, "not stretched", Stretch(1)+Stretch(0), 0)
	near(t, "median", Quantile([]float64{5, 1, 3}, 0.5), 3)
}

func TestLimit(t *testing.T) {
	if name, rate := (Stages{Read: 100, Encode: 80, Wire: 30, Write: 50}).Limit(); name != WireStage || rate != 30 {
		t.Errorf("%s %v", name, rate)
	}
	if name, _ := (Stages{Read: 100, Write: 50}).Limit(); name != WriteStage {
		t.Errorf("without a wire: %s", name)
	}
	if name, rate := (Stages{}).Limit(); name != "" || rate != 0 {
		t.Errorf("nothing measured: %s %v", name, rate)
	}
	l := NeededLinks(864e9, 3, 1000, 1, 2)
	near(t, "one day", l[0].Bits, 8*(864e9/3/86400+1000))
	near(t, "two days", l[1].Bits, 8*(864e9/3/172800+1000))
}

func TestNight(t *testing.T) {
	n, err := ParseNight("19:00+10h")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC)
	d := n.Deadlines(now, Range{P50: 3600, P95: 7200}, Range{P50: 600, P95: 1800})
	for _, c := range []struct {
		what      string
		got, want time.Time
	}{
		{"begin", d.Begin, now.Add(time.Hour)}, {"end", d.End, now.Add(11 * time.Hour)},
		{"seed", d.Seed, now.Add(-time.Hour)}, {"fence", d.Fence, now.Add(10*time.Hour + 30*time.Minute)},
		{"abort", d.Abort, now.Add(11*time.Hour - lifting)},
	} {
		if !c.got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	if !d.Late || !d.Fits {
		t.Errorf("late %v, fits %v", d.Late, d.Fits)
	}
	if d := n.Deadlines(now, Range{}, Range{P95: 11 * 3600}); d.Fits {
		t.Error("eleven hours fit into ten")
	}
	if got := n.Next(now.Add(2 * time.Hour)); !got.Equal(now.Add(25 * time.Hour)) {
		t.Errorf("the night after: %v", got)
	}
	for _, bad := range []string{"", "19:00", "19+10h", "25:00+1h", "19:00+", "19:00+-1h", "19:00+0s", "19:00+999h", "now+1h"} {
		if _, err := ParseNight(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestNightOnADayOfClocks: a night that begins at 19:00 does so on the day that summer time ends.
func TestNightOnADayOfClocks(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Skip("no time zones here")
	}
	n := Night{Begin: 19 * time.Hour, Long: time.Hour}
	got := n.Next(time.Date(2026, 10, 25, 0, 30, 0, 0, rome))
	if got.Hour() != 19 || got.Day() != 25 {
		t.Errorf("%v", got)
	}
}

func TestLearn(t *testing.T) {
	s := Seed{Prepare: 10, Copy: 100, Index: 20, CatchUp: 5, Constrain: 5, Total: 140}
	total, factor := Learn(s, 1000, Progress{Elapsed: 4})
	near(t, "before the first row", total, 140)
	near(t, "factor", factor, 1)
	// Half of the rows in 100 s: twice as slow as forecast.
	total, factor = Learn(s, 1000, Progress{Bytes: 500, Copying: 100, Elapsed: 110})
	near(t, "half", total, 110+100+60)
	near(t, "factor", factor, 2)
	// One in a hundred is little to go by.
	_, factor = Learn(s, 1000, Progress{Bytes: 10, Copying: 2, Elapsed: 12})
	near(t, "a first glance", factor, 1.1)
	total, _ = Learn(s, 1000, Progress{Copied: true, Bytes: 900, Copying: 150, Elapsed: 165})
	near(t, "copied", total, 10+150+45)
	total, _ = Learn(s, 1000, Progress{Copied: true, Copying: 100, Elapsed: 500})
	near(t, "never less than what has passed", total, 500)
}
