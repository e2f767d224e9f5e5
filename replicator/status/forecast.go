package status

import (
	"fmt"
	"time"

	"replicator/replicator/sizing/forecast"
)

// Forecast is what replicator bench foretold of the pre-seed, and how that goes.
type Forecast struct {
	Made     time.Time `json:"made"`
	P50      float64   `json:"p50_seconds"` // from the beginning of the job until it follows
	P95      float64   `json:"p95_seconds"`
	Elapsed  float64   `json:"elapsed_seconds"`  // until now, or until it followed
	Expected float64   `json:"expected_seconds"` // the whole, by what was measured since; what it took once it follows
	Slower   float64   `json:"slower"`           // how many times as long as foretold the copy takes
	Followed bool      `json:"followed"`
	OpenP50  float64   `json:"fence_to_open_p50_seconds"` // every row compared
	OpenP95  float64   `json:"fence_to_open_p95_seconds"`
}

// Course is when a job got where. It is kept, so that a job that was killed in between knows.
type Course struct {
	Began    time.Time `json:"began"`
	Copying  time.Time `json:"copying,omitzero"`
	Copied   time.Time `json:"copied,omitzero"`
	Followed time.Time `json:"followed,omitzero"`
}

// reach notes a phase the first time that it is reached.
func (c *Course) reach(p Phase, now time.Time) {
	first := func(t *time.Time) {
		if t.IsZero() {
			*t = now
		}
	}
	switch p {
	case Copying:
		first(&c.Copying)
	case Indexing, CatchingUp:
		first(&c.Copied)
	case Following:
		first(&c.Followed)
	}
}

// planner holds a job's course against what was foretold.
type planner struct {
	seed     forecast.Seed
	bytes    float64
	forecast Forecast
}

// Foretell tells the tracker what was foretold. f has what does not change.
func (t *Tracker) Foretell(f Forecast, seed forecast.Seed, bytes float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan = &planner{seed, bytes, f}
}

// Resume tells the tracker what an earlier run has seen of the course.
func (t *Tracker) Resume(c Course) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.course = c
}

// Course is when the job got where.
func (t *Tracker) Course() Course {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.course
}

// look is the forecast as of now.
func (p *planner) look(c Course, copied int64, now time.Time) *Forecast {
	f := p.forecast
	if f.Followed = !c.Followed.IsZero(); f.Followed {
		now = c.Followed
	}
	f.Elapsed = now.Sub(c.Began).Seconds()
	at := forecast.Progress{Bytes: float64(copied), Elapsed: f.Elapsed, Copied: !c.Copied.IsZero()}
	switch {
	case at.Copied:
		at.Copying = c.Copied.Sub(c.Copying).Seconds()
	case !c.Copying.IsZero():
		at.Copying = now.Sub(c.Copying).Seconds()
	}
	if f.Expected, f.Slower = forecast.Learn(p.seed, p.bytes, at); f.Followed {
		f.Expected = f.Elapsed
	}
	return &f
}

// String is the forecast for people.
func (f *Forecast) String() string {
	foretold := fmt.Sprintf("%s foretold (seldom more than %s)", Seconds(f.P50), Seconds(f.P95))
	if f.Followed {
		return fmt.Sprintf("the pre-seed took %s, %s", Seconds(f.Elapsed), foretold)
	}
	return fmt.Sprintf("the pre-seed takes %s, %s gone, %s", Seconds(f.Expected), Seconds(f.Elapsed), foretold)
}
