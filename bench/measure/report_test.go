package measure

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		all  []float64
		want float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 100}, 3.5},
	} {
		before := slices.Clone(tt.all)
		if got := Median(tt.all); got != tt.want {
			t.Errorf("median of %v is %v", tt.all, got)
		}
		if !slices.Equal(tt.all, before) {
			t.Errorf("%v was sorted in place", before)
		}
	}
}

// example is a report without anything of this machine or moment.
func example() *Report {
	r := New("example", "bench/example --runs 3")
	r.Began = time.Date(2026, 11, 24, 3, 4, 5, 0, time.UTC)
	r.Machine = Machine{CPU: "some", Cores: 2, Memory: 24e9, Kernel: "6.1"}
	r.Versions["postgres"] = "postgres (PostgreSQL) 15.20"
	r.Fact("rows", "%d", 42)
	g := r.Group("moving over a narrow wire", "seconds")
	g.Fact("wire", "narrow")
	ours := g.Subject("replicator", Ours, "as it is")
	ours.Add(Values{"seconds": 12, "wire_bytes": 30e6})
	ours.Add(Values{"seconds": 10, "wire_bytes": 30e6})
	ours.Add(Values{"seconds": 11, "wire_bytes": 30e6})
	g.Subject("slow", Peer, "as ever").Add(Values{"seconds": 60, "wire_bytes": 90e6})
	g.Subject("fast", Peer, "tuned").Add(Values{"seconds": 44})
	g.Subject("bare", Reference, "without anything").Add(Values{"seconds": 5})
	g.Subject("late", Peer, "did not come")
	g.Compare()
	return r
}

func TestCompare(t *testing.T) {
	t.Parallel()
	g := example().Groups[0]
	if got := g.Subject("replicator", Ours, "").VersusPeer; math.Abs(got-0.25) > 1e-9 {
		t.Errorf("11 of 44 seconds is %v of the best peer", got) // the reference's 5 do not count
	}
	if got := g.Subject("slow", Peer, "").VersusPeer; got != 0 {
		t.Errorf("a peer is compared: %v", got)
	}
	alone := (&Report{}).Group("alone", "seconds")
	alone.Subject("replicator", Ours, "").Add(Values{"seconds": 1})
	alone.Compare()
	if got := alone.Subjects[0].VersusPeer; got != 0 {
		t.Errorf("compared with nobody: %v", got)
	}
}

// TestShape holds table and JSON against golden files; a changed field needs a new Format.
func TestShape(t *testing.T) {
	t.Parallel()
	r := example()
	var text bytes.Buffer
	err := r.WriteText(&text, []Column{
		{Title: "seconds", Value: "seconds"},
		{Title: "wire MB", Value: "wire_bytes", Show: Show("%.0f", 1e-6)},
		{Title: "never", Value: "not_measured"},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", text.Bytes())

	path := filepath.Join(t.TempDir(), "report.json")
	if err := r.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.Seconds == 0 {
		t.Error("a report does not know how long it took")
	}
	back.Seconds = 0
	b, err = json.MarshalIndent(back, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", append(b, '\n'))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("not as in %s (go test -update writes it anew):\n%s", path, got)
	}
}

func TestInterleave(t *testing.T) {
	t.Parallel()
	var order [][2]int
	err := Interleave(2, 3, func(run, subject int) error {
		order = append(order, [2]int{run, subject})
		return nil
	})
	want := [][2]int{{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}, {1, 0}}
	if err != nil || !slices.Equal(order, want) {
		t.Errorf("%v, %v", order, err)
	}
	if err := Interleave(2, 3, func(int, int) error { return os.ErrClosed }); err != os.ErrClosed {
		t.Errorf("a failed run gives %v", err)
	}
}
