package replicator

import (
	"errors"
	"maps"
	"sync"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/status"
)

// What the job measures of itself, so that a rehearsal need not guess. It is kept in the store: the copy
// is days ago at the window, and was another process's.

// work is an amount, and the time that it took.
type work struct {
	Bytes   int64     `json:"bytes"`
	Seconds float64   `json:"seconds"`
	At      time.Time `json:"at,omitzero"` // when it was added to last
}

func (p *work) add(bytes int64, took time.Duration) {
	p.Bytes += bytes
	p.Seconds += took.Seconds()
	p.At = time.Now().UTC()
}

// rate is per second, 0 where nothing was measured.
func (p work) rate() float64 {
	if p.Bytes == 0 || p.Seconds <= 0 {
		return 0
	}
	return float64(p.Bytes) / p.Seconds
}

// measured is what the store keeps.
type measured struct {
	Copy  work                `json:"copy"`            // rows, as COPY gave them, while the copy was under way
	Index work                `json:"index"`           // size of the table for each index, while any was being built
	Late  work                `json:"late"`            // size of late tables, copied and indexed by the last catch-up that did
	Steps map[string]stepTime `json:"steps,omitempty"` // of the last catch-up that fenced, by name
}

type stepTime struct {
	Seconds float64   `json:"seconds"`
	At      time.Time `json:"at"`
}

// rates is what is measured, by whoever does it.
type rates struct {
	mu     sync.Mutex
	loaded bool
	fresh  bool // not kept yet
	now    measured

	building int       // indexes
	since    time.Time // when the first of them began, or was counted last

	copied int64 // bytes, when that was looked at last
	looked time.Time
	phase  status.Phase
}

// measure changes what is measured, under its lock.
func (j *job) measure(f func(*rates)) error {
	r := &j.rates
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.loaded {
		if _, err := j.store.Get(keyRates, &r.now); err != nil {
			return err
		}
		r.loaded = true
	}
	f(r)
	return nil
}

// measured is what has been measured so far.
func (j *job) measured() (m measured, err error) {
	err = j.measure(func(r *rates) { m = r.now; m.Steps = maps.Clone(m.Steps) })
	return m, err
}

// lookAtRates counts the copy's progress, and keeps what was measured since the last look.
func (j *job) lookAtRates() error {
	var keep *measured
	s := j.tracker.Status()
	err := j.measure(func(r *rates) {
		r.copying(s, time.Now())
		r.count()
		if r.fresh {
			m := r.now
			m.Steps = maps.Clone(m.Steps)
			keep, r.fresh = &m, false
		}
	})
	if err != nil || keep == nil {
		return err
	}
	return j.store.Put(keyRates, keep)
}

// copying counts what was copied since the last look. Time in which nothing came counts as well: chunks
// commit as a whole. A copy that finds chunks on the target already tells nothing of how fast rows move.
func (r *rates) copying(s status.Status, now time.Time) {
	n := s.Copy.Bytes - r.copied
	if !r.looked.IsZero() && s.Copy.ChunksReused == 0 && (n > 0 || r.phase == status.Copying) {
		r.now.Copy.add(max(n, 0), now.Sub(r.looked))
		r.fresh = true
	}
	r.copied, r.looked, r.phase = s.Copy.Bytes, now, s.Phase
}

// count takes the time since indexes were counted last.
func (r *rates) count() {
	if r.building > 0 {
		now := time.Now()
		r.now.Index.add(0, now.Sub(r.since))
		r.since, r.fresh = now, true
	}
}

// indexing runs a step that builds an index of a table of so many bytes.
func (j *job) indexing(bytes int64, build func() error) error {
	merr := j.measure(func(r *rates) {
		r.count()
		r.since = time.Now()
		r.building++
	})
	began := time.Now()
	err := build()
	return errors.Join(err, merr, j.measure(func(r *rates) {
		r.count()
		r.building--
		if err == nil && time.Since(began) > soonBuilt {
			r.now.Index.add(bytes, 0)
			r.fresh = true
		}
	}))
}

// soonBuilt tells an index that was built from one that stood already, or is too small to tell anything.
const soonBuilt = 200 * time.Millisecond

// measureLate remembers how long late tables took.
func (j *job) measureLate(bytes int64, took time.Duration) error {
	return j.measure(func(r *rates) {
		r.now.Late = work{}
		r.now.Late.add(bytes, took)
		r.fresh = true
	})
}

// measureSteps remembers how long the steps of a catch-up took that fenced the source.
func (j *job) measureSteps(report *catchup.Report) error {
	if report.Rehearsal {
		return nil
	}
	err := j.measure(func(r *rates) {
		for _, s := range report.Steps {
			if s.Failed || s.Skipped {
				continue
			}
			if r.now.Steps == nil {
				r.now.Steps = map[string]stepTime{}
			}
			r.now.Steps[s.Name] = stepTime{s.Seconds, s.Started}
			r.fresh = true
		}
	})
	return errors.Join(err, j.lookAtRates())
}
