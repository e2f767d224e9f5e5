package status

import (
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"replicator/wal"
)

// Tracker is where the parts of a running job say how far they are. All methods may be called from
// any goroutine.
type Tracker struct {
	mu      sync.Mutex
	s       Status
	running map[string]bool // index steps
	trying  string          // what the waiting is for, where it is something that failed and is tried again
	rows    meter
	bytes   meter
	changes meter
	wal     meter
	pending pending
	course  Course
	plan    *planner     // nil: nothing was foretold
	capped  func() int64 // nil, or the rate of reading at most
}

// NewTracker returns a tracker in phase preparing.
func NewTracker(job string) *Tracker {
	return &Tracker{
		s:       Status{Version: Version, Job: job, Running: true, PID: os.Getpid(), Phase: Preparing, Since: time.Now().UTC(), Source: Source{SafeSize: -1}},
		running: map[string]bool{},
	}
}

// Update changes the status under the tracker's lock; f must not block.
func (t *Tracker) Update(f func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.s)
}

// SetPhase moves on to another phase.
func (t *Tracker) SetPhase(p Phase) {
	t.Update(func(s *Status) {
		if s.Phase != p {
			s.Phase, s.Since = p, time.Now().UTC()
			t.course.reach(p, s.Since)
		}
		s.Waiting, t.trying = "", ""
	})
}

// Wait says what the job waits for; "" that it goes on.
func (t *Tracker) Wait(what string) { t.Update(func(s *Status) { s.Waiting, t.trying = what, "" }) }

// Retry says that what failed and will be tried again, and in words what it waits for.
func (t *Tracker) Retry(what, waiting string, err error) {
	t.Fail(err)
	t.Update(func(s *Status) { s.Waiting, t.trying = waiting, what })
}

// Resumed says that what goes on again; it takes back no other waiting.
func (t *Tracker) Resumed(what string) {
	t.Update(func(s *Status) {
		if t.trying == what {
			s.Waiting, t.trying = "", ""
		}
	})
}

// Fail notes an error, retried or not. Its text must hold no values; errors of package pg do not.
func (t *Tracker) Fail(err error) {
	t.Update(func(s *Status) { s.LastError, s.ErrorAt = err.Error(), time.Now().UTC() })
}

// Chunk counts a chunk that is committed on the target. fresh says that it was moved just now, not
// by an earlier run, and counts for the rates.
func (t *Tracker) Chunk(table int, rows, bytes int64, fresh bool) {
	now := time.Now()
	t.Update(func(s *Status) {
		tab := &s.Tables[table]
		tab.Copied++
		tab.Rows += rows
		tab.Bytes += bytes
		if fresh {
			t.rows.add(now, rows)
			t.bytes.add(now, bytes)
		}
		if tab.Kind == Late {
			return // not of the copy that Copy counts
		}
		s.Copy.ChunksCopied++
		s.Copy.Rows += rows
		s.Copy.Bytes += bytes
		if tab.Copied == tab.Chunks {
			s.Copy.TablesCopied++
		}
	})
}

// Capped has Copy show the rate at which rows are read at most, in bytes a second; 0 is as fast as it goes.
func (t *Tracker) Capped(rate func() int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.capped = rate
}

// Reused counts a chunk, which Chunk has counted, as one that stood on the target already.
func (t *Tracker) Reused(table int) {
	t.Update(func(s *Status) {
		s.Tables[table].Reused++
		s.Copy.ChunksReused++
	})
}

// Restart takes back what was counted of a table that starts over.
func (t *Tracker) Restart(table int) {
	t.Update(func(s *Status) {
		tab := &s.Tables[table]
		if tab.Kind != Late {
			if tab.Chunks > 0 && tab.Copied == tab.Chunks {
				s.Copy.TablesCopied--
			}
			s.Copy.ChunksCopied -= tab.Copied
			s.Copy.ChunksReused -= tab.Reused
			s.Copy.Rows -= tab.Rows
			s.Copy.Bytes -= tab.Bytes
		}
		tab.Copied, tab.Reused, tab.Rows, tab.Bytes = 0, 0, 0, 0
	})
}

// StepBegan and StepEnded follow the index and constraint steps.
func (t *Tracker) StepBegan(name string) { t.Update(func(*Status) { t.running[name] = true }) }

// StepEnded counts a step; ok says that it ran.
func (t *Tracker) StepEnded(name string, ok bool) {
	t.Update(func(s *Status) {
		delete(t.running, name)
		if ok {
			s.Indexes.Built++
		}
	})
}

// IndexesStand says that an earlier run has built so many of the steps, and the indexes of every
// table that it has copied.
func (t *Tracker) IndexesStand(built int) {
	t.Update(func(s *Status) {
		s.Indexes.Built = built
		for i := range s.Tables {
			if tab := &s.Tables[i]; tab.Kind != Late && tab.Copied == tab.Chunks {
				tab.Indexed = true
			}
		}
	})
}

// Received notes what the stream has taken in: lastCommit is the commit time of the transaction
// received last.
func (t *Tracker) Received(received, durable wal.LSN, lastCommit time.Time) {
	t.Update(func(s *Status) {
		s.Log.Received, s.Log.Durable = received, durable
		t.pending.add(received, lastCommit)
		t.pending.drop(s.Apply.Applied) // which may have been told before
	})
}

// Stands says where the target stands before this run has applied anything to it.
func (t *Tracker) Stands(applied wal.LSN) {
	t.Update(func(s *Status) {
		if applied > s.Apply.Applied {
			s.Apply.Applied = applied
			t.pending.drop(applied)
		}
	})
}

// Applied notes what the target has committed; the counts are sums since the engine started.
func (t *Tracker) Applied(lsn wal.LSN, commit time.Time, transactions, changes int64, missed map[string]int64) {
	now := time.Now()
	t.Update(func(s *Status) {
		t.changes.add(now, changes-s.Apply.Changes)
		if lsn > s.Apply.Applied {
			if !s.Apply.Applied.IsZero() {
				t.wal.add(now, int64(lsn-s.Apply.Applied))
			}
			s.Apply.Applied = lsn
			t.pending.drop(lsn)
		}
		if !commit.IsZero() {
			s.Apply.CommitTime = commit.UTC()
		}
		s.Apply.Transactions, s.Apply.Changes = transactions, changes
		s.Apply.Missed = maps.Clone(missed)
	})
}

// Status is the state now, rates and estimates included.
func (t *Tracker) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	s := t.s
	s.At = now.UTC()
	s.Tables, s.Late, s.Notes = slices.Clone(s.Tables), slices.Clone(s.Late), slices.Clone(s.Notes)
	s.Changed = slices.Clone(s.Changed)
	s.Indexes.Running = slices.Sorted(maps.Keys(t.running))
	s.Copy.RowRate, s.Copy.ByteRate = t.rows.rate(now), t.bytes.rate(now)
	s.Copy.ETA = estimate(s.Copy.BytesTotal-s.Copy.Bytes, s.Copy.ByteRate)
	if s.Copy.ChunksCopied == s.Copy.ChunksTotal {
		s.Copy.ETA = 0
	}
	if t.capped != nil {
		s.Copy.MaxRate = t.capped()
	}
	s.Apply.ChangeRate = t.changes.rate(now)
	s.Apply.LagBytes = max(0, int64(s.Source.CurrentLSN)-int64(s.Apply.Applied))
	s.Apply.LagSeconds = t.pending.age(now)
	s.Apply.ETA = estimate(s.Apply.LagBytes, t.wal.rate(now))
	if t.plan != nil {
		s.Forecast = t.plan.look(t.course, s.Copy.Bytes, now)
	}
	return s
}

// estimate is seconds for what is left at a rate, -1 where nobody can say.
func estimate(left int64, rate float64) float64 {
	switch {
	case left <= 0:
		return 0
	case rate <= 0:
		return -1
	}
	return float64(left) / rate
}
