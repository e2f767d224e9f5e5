package status

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"replicator/wal"
)

// planned is a tracker of a job with two tables of two and three chunks.
func planned() *Tracker {
	t := NewTracker("emr")
	t.Update(func(s *Status) {
		s.Tables = []Table{{Name: "ed.visit", Chunks: 2, Size: 100}, {Name: "ed.bed", Chunks: 3, Size: 300}}
		s.Copy.TablesTotal, s.Copy.ChunksTotal, s.Copy.BytesTotal = 2, 5, 400
	})
	return t
}

func TestTrackerCountsChunks(t *testing.T) {
	tr := planned()
	tr.Chunk(0, 10, 50, true)
	tr.Chunk(1, 7, 90, true)
	tr.Chunk(0, 20, 60, true)
	s := tr.Status()
	want := Copy{TablesTotal: 2, TablesCopied: 1, ChunksTotal: 5, ChunksCopied: 3, Rows: 37, Bytes: 200, BytesTotal: 400}
	got := s.Copy
	got.RowRate, got.ByteRate, got.ETA = 0, 0, 0
	if got != want {
		t.Errorf("copy %+v, want %+v", got, want)
	}
	if v := s.Tables[0]; v.Copied != 2 || v.Rows != 30 || v.Bytes != 110 {
		t.Errorf("table %+v", v)
	}
}

func TestTrackerRestartTakesBackAllOfATable(t *testing.T) {
	tr := planned()
	tr.Chunk(1, 7, 90, true)
	before := tr.Status()
	tr.Chunk(0, 10, 50, true)
	tr.Chunk(0, 20, 60, true)
	tr.Restart(0)
	after := tr.Status()
	for _, s := range []*Status{&before, &after} {
		s.At, s.Copy.RowRate, s.Copy.ByteRate, s.Copy.ETA = time.Time{}, 0, 0, 0
	}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("after the restart\n%+v\nbefore\n%+v", after, before)
	}
}

func TestTrackerRatesCountOnlyWhatThisRunMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := planned()
		tr.Chunk(0, 1000, 100000, false) // by an earlier run
		if r := tr.Status().Copy.RowRate; r != 0 {
			t.Errorf("rows of an earlier run make a rate of %v", r)
		}
		tr.Chunk(1, 40, 80, true)
		time.Sleep(4 * time.Second) // fake time
		if c := tr.Status().Copy; c.RowRate != 10 || c.ByteRate != 20 {
			t.Errorf("40 rows in 4 s: %v rows/s, %v bytes/s", c.RowRate, c.ByteRate)
		}
	})
}

func TestTrackerEstimate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := planned()
		if eta := tr.Status().Copy.ETA; eta != -1 {
			t.Errorf("nothing moved yet: ETA %v, want -1", eta)
		}
		tr.Chunk(0, 1, 100, true)
		time.Sleep(2 * time.Second)
		if eta := tr.Status().Copy.ETA; eta != 6 {
			t.Errorf("300 bytes left at 50 a second: ETA %v, want 6", eta)
		}
		for _, table := range []int{0, 1, 1, 1} {
			tr.Chunk(table, 1, 1, true)
		}
		if eta := tr.Status().Copy.ETA; eta != 0 {
			t.Errorf("everything copied, though smaller than planned: ETA %v", eta)
		}
	})
}

func TestTrackerPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := NewTracker("emr")
		start := time.Now().UTC()
		tr.Wait("older transactions")
		if s := tr.Status(); s.Phase != Preparing || !s.Since.Equal(start) || s.Waiting == "" || !s.Running {
			t.Errorf("at the start: %+v", s)
		}
		time.Sleep(time.Second)
		tr.SetPhase(Copying)
		time.Sleep(time.Second)
		tr.SetPhase(Copying)
		if s := tr.Status(); !s.Since.Equal(start.Add(time.Second)) || s.Waiting != "" {
			t.Errorf("since %v, want a second after %v; waiting %q", s.Since, start, s.Waiting)
		}
		tr.Fail(errors.New("lost"))
		if s := tr.Status(); s.LastError != "lost" || !s.ErrorAt.Equal(time.Now()) || s.Phase != Copying {
			t.Errorf("after an error: %+v", s)
		}
	})
}

func TestTrackerSteps(t *testing.T) {
	tr := NewTracker("emr")
	for _, name := range []string{"c", "a", "b"} {
		tr.StepBegan(name)
	}
	tr.StepEnded("a", true)
	tr.StepEnded("b", false)
	if s := tr.Status(); s.Indexes.Built != 1 || !slices.Equal(s.Indexes.Running, []string{"c"}) {
		t.Errorf("indexes %+v", s.Indexes)
	}
}

func TestTrackerLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := NewTracker("emr")
		commit := time.Now()
		tr.Update(func(s *Status) { s.Source.CurrentLSN = 1000 })
		tr.Received(400, 400, commit)
		tr.Applied(400, commit, 1, 5, map[string]int64{"ed.bed": 1})
		if a := tr.Status().Apply; a.LagSeconds != 0 || a.LagBytes != 600 || a.Missed["ed.bed"] != 1 {
			t.Errorf("all that was received is applied: %+v", a)
		}
		tr.Received(900, 900, commit.Add(time.Nanosecond))
		time.Sleep(3 * time.Second)
		if a := tr.Status().Apply; a.LagSeconds < 2.9 || a.LagSeconds > 3 {
			t.Errorf("lag %v s, want 3", a.LagSeconds)
		}
		tr.Applied(300, time.Time{}, 1, 5, nil)
		if a := tr.Status().Apply; a.Applied != 400 || a.CommitTime.IsZero() {
			t.Errorf("applied went back: %+v", a)
		}
		tr.Applied(1100, time.Now(), 2, 65, nil)
		if a := tr.Status().Apply; a.LagBytes != 0 || a.LagSeconds != 0 || a.Changes != 65 || a.ChangeRate != 65.0/3 {
			t.Errorf("past what the source told: %+v", a)
		}
	})
}

// Apply may be done with a transaction before the stream tells that it was received; and what an idle
// source sends is no older for the commit that came before.
func TestTrackerLagOfAnIdleSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := planned()
		commit := time.Now()
		tr.Applied(100, commit, 1, 1, nil)
		tr.Received(100, 100, commit)
		time.Sleep(time.Minute)
		if lag := tr.Status().Apply.LagSeconds; lag != 0 {
			t.Errorf("lag %v s of what was applied before it was told", lag)
		}
		tr.Received(200, 200, commit) // a keepalive
		if lag := tr.Status().Apply.LagSeconds; lag != 0 {
			t.Errorf("lag %v s of what holds no transaction", lag)
		}
		tr.Received(300, 300, time.Now())
		time.Sleep(time.Second)
		if lag := tr.Status().Apply.LagSeconds; lag != 1 {
			t.Errorf("lag %v s, want 1", lag)
		}
	})
}

// A run that finds nothing to apply knows all the same where the target stands.
func TestTrackerKnowsWhereTheTargetStands(t *testing.T) {
	tr := planned()
	tr.Update(func(s *Status) { s.Source.CurrentLSN = 120 })
	tr.Received(100, 100, time.Now().Add(-time.Minute))
	tr.Stands(100)
	if s := tr.Status(); s.Apply.Applied != 100 || s.Apply.LagBytes != 20 || s.Apply.LagSeconds != 0 {
		t.Errorf("applied %s, lag %d bytes, %v s; want 0/64, 20 and none", s.Apply.Applied, s.Apply.LagBytes, s.Apply.LagSeconds)
	}
	tr.Stands(50)
	if s := tr.Status(); s.Apply.Applied != 100 {
		t.Errorf("applied %s: it went back", s.Apply.Applied)
	}
}

func TestTrackerTakesBackItsWaiting(t *testing.T) {
	tr := planned()
	tr.Retry("apply", "apply: the link", errors.New("EOF"))
	if s := tr.Status(); s.Waiting != "apply: the link" || s.LastError != "EOF" {
		t.Errorf("waiting %q, last error %q", s.Waiting, s.LastError)
	}
	tr.Resumed("stream")
	if s := tr.Status(); s.Waiting == "" {
		t.Error("stream goes on, and apply is no longer waited for")
	}
	tr.Resumed("apply")
	if s := tr.Status(); s.Waiting != "" {
		t.Errorf("waiting %q after it went on", s.Waiting)
	}
	tr.Retry("apply", "apply: the link", errors.New("EOF"))
	tr.Wait("a fence")
	tr.Resumed("apply")
	if s := tr.Status(); s.Waiting != "a fence" {
		t.Errorf("waiting %q, want it for the fence", s.Waiting)
	}
}

func TestTrackerIndexesOfAnEarlierRun(t *testing.T) {
	tr := planned()
	tr.Chunk(0, 1, 1, false)
	tr.Chunk(0, 1, 1, false)
	tr.IndexesStand(12)
	if s := tr.Status(); s.Indexes.Built != 12 || !s.Tables[0].Indexed || s.Tables[1].Indexed {
		t.Errorf("built %d, indexed %v and %v", s.Indexes.Built, s.Tables[0].Indexed, s.Tables[1].Indexed)
	}
}

func TestTrackerStatusIsACopy(t *testing.T) {
	tr := planned()
	tr.Update(func(s *Status) { s.Notes = []string{"one"} })
	s := tr.Status()
	s.Tables[0].Name, s.Notes[0] = "changed", "changed"
	if again := tr.Status(); again.Tables[0].Name != "ed.visit" || again.Notes[0] != "one" {
		t.Error("a caller changed the tracker through a status")
	}
}

func TestTrackerFromManyGoroutines(t *testing.T) {
	tr := planned()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				tr.StepBegan("a")
				tr.Applied(wal.LSN(i), time.Now(), 0, 0, nil)
				tr.Received(0, 0, time.Now())
				_, _ = json.Marshal(tr.Status())
				tr.StepEnded("a", true)
			}
		})
	}
	wg.Wait()
	if n := tr.Status().Indexes.Built; n != 800 {
		t.Errorf("%d steps counted, want 800", n)
	}
}

func TestStatusSurvivesJSON(t *testing.T) {
	want := troubled()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Status
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
