package sizing

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWatchGoesOn: what an earlier run has seen counts, a line that was cut off does not, and what
// lies in between belongs to no hour.
func TestWatchGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", watchFile)
	lines := []string{
		`{"database":"emr","at":"2026-11-24T08:58:00Z","wal":1000,"rows":100}`,
		`{"database":"emr","at":"2026-11-24T08:59:00Z","wal":7000,"rows":160}`,
		`{"database":"other","at":"2026-11-24T09:00:00Z","wal":9,"rows":9}`,
		`{"database":"emr","at":"2026-11-24T09:59:00Z","wal":900000,"rows":90000}`, // after a pause
		`{"database":"emr","at":"2026-11-24T10:00:00Z","wal":906000,"rows":90600}`,
		`{"database":"emr","at":"2026-11-24T10:01:00Z","wal":912000,"rows":10}`, // counters were reset
	}
	for _, l := range lines {
		if err := appendLine(path, []byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"database":"emr","at":"2026-11-24T10:0`); err != nil { // killed while it wrote
		t.Fatal(err)
	}
	f.Close()
	if err := appendLine(path, []byte(`{"database":"emr","at":"2026-11-24T10:02:00Z","wal":912000,"rows":40}`)); err != nil {
		t.Fatal(err)
	}
	w := &watcher{path: path, database: "emr"}
	if err := w.load(); err != nil {
		t.Fatal(err)
	}
	if len(w.list) != 6 {
		t.Fatalf("%d readings, want 6", len(w.list))
	}
	if got := w.covered(time.Date(2026, 11, 24, 10, 3, 0, 0, time.UTC), 24*time.Hour); got != 4*time.Minute {
		t.Errorf("covered %s, want 4m", got)
	}
	hours := w.hours(time.UTC)
	want := []HourRate{{8, 6000 * 60, 60 * 60}, {9, 6000 * 60, 600 * 60}, {10, 0, 30 * 60}}
	if len(hours) != len(want) {
		t.Fatalf("hours: %+v", hours)
	}
	for i := range want {
		if hours[i] != want[i] {
			t.Errorf("%+v, want %+v", hours[i], want[i])
		}
	}
	if c := w.total(); c.Peak != 600*60 {
		t.Errorf("peak %v", c.Peak)
	}
}

// TestWatch counts what the source writes, and a second run has nothing left to wait for.
func TestWatch(t *testing.T) {
	t.Parallel()
	o := pair(t, "CREATE TABLE a (id int PRIMARY KEY, v text)")
	o.Duration, o.Watch, o.Dir = 5*time.Second, 2*time.Second, t.TempDir()
	r, err := Run(t.Context(), SourcePart, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Source.Hours) == 0 || r.Source.Changes.Seconds < 1.5 {
		t.Errorf("watched: %+v, %+v", r.Source.Changes, r.Source.Hours)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, watchFile)); err != nil {
		t.Error(err)
	}
}
