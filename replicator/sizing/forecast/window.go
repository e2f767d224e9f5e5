package forecast

import "math"

// Finish is what a catch-up has to do, and what the parts of it cost.
type Finish struct {
	Session float64 `json:"session_seconds"` // to open one on the source and ask it something
	Ask     float64 `json:"ask_seconds"`     // a question to the target end and its answer
	Commit  float64 `json:"commit_seconds"`  // a small transaction on the target, the way there included
	Catalog float64 `json:"catalog_seconds"` // a look at what tables the source has
	Schema  float64 `json:"schema_seconds"`  // to read its whole schema: begun behind the fence, over before the target opens
	Crowd   float64 `json:"crowd"`           // part of that by which other work gets longer: no processor is idle for it

	Lag       float64 `json:"lag_changes"` // row changes not applied when the fence goes up
	Apply     float64 `json:"applied_per_second"`
	Late      float64 `json:"late_seconds"`          // of tables that are copied at the fence, their indexes too
	Objects   float64 `json:"large_objects_seconds"` // to compare them all by content
	Sequences int     `json:"sequences"`
	Steps     int     `json:"schema_steps"`  // triggers, rules, views
	Views     float64 `json:"views_seconds"` // to fill the materialized ones

	Compare   float64 `json:"compare_bytes"` // that both sides read; 0 where changed rows alone are compared
	ScanRate  float64 `json:"scan_bytes_per_second"`
	PerTable  float64 `json:"per_table_seconds"` // of a small one, its rows included
	Tables    int     `json:"tables"`
	PerGroup  float64 `json:"per_group_seconds"` // of tables under one snapshot
	Groups    int     `json:"groups"`
	Questions int     `json:"questions"`    // to the target end, each about many small tables
	Changed   float64 `json:"changed_rows"` // since the last proof, where they alone are compared
	KeyLookup float64 `json:"lookups_per_second"`
	Sums      float64 `json:"fingerprint_bytes"` // that come back over a link
	Down      float64 `json:"link_down_bytes_per_second"`
}

// Window is the time from the fence to the opening, by the steps of a catch-up.
type Window struct {
	Fence     float64 `json:"fence_seconds"`
	Drain     float64 `json:"drain_seconds"`
	Late      float64 `json:"late_tables_seconds"`
	Objects   float64 `json:"large_objects_seconds"`
	Sequences float64 `json:"sequences_seconds"`
	Finish    float64 `json:"finish_seconds"`
	Verify    float64 `json:"verify_seconds"`
	Proof     float64 `json:"proof_seconds"`
	Open      float64 `json:"open_seconds"`
	Total     float64 `json:"total_seconds"`
}

// WindowStep is one step, by its name in the report of a catch-up.
type WindowStep struct {
	Name    string
	Seconds float64
}

// Steps are the steps in their order.
func (w *Window) Steps() []WindowStep {
	return []WindowStep{
		{"fence the source", w.Fence}, {"drain", w.Drain}, {"late tables", w.Late}, {"large objects", w.Objects},
		{"sequences", w.Sequences}, {"triggers, rules, views", w.Finish}, {"verify", w.Verify},
		{"nobody else wrote", w.Proof}, {"open the target", w.Open},
	}
}

// What the steps do that no measurement tells.
const (
	fencePause      = 0.1    // between two looks at who is still there
	sequenceSeconds = 0.0003 // one setval
	puts            = 3      // in the store: what the fence has changed, or that the target opens, and the phase
	lateLooks       = 2      // at the catalog: are tables what they were, and what is new
)

// Proved is what there is to do after a clean verification, but for the rows that have changed since.
func (f Finish) Proved() Finish {
	f.Compare, f.Sums, f.Tables, f.Groups, f.Questions, f.Objects = 0, 0, 0, 0, 0, 0
	return f
}

// Window forecasts f: how often each step opens a session, asks, commits.
func (f *Finish) Window() Window {
	reach := f.Session + f.Ask + f.Commit // a marker on its way through the stream, and word of it
	objects := f.Session + f.Ask          // both sides' numbers of large objects
	kept := puts * max(0, f.Commit-f.Ask) // in the state directory, whose disk is taken to be as the target's
	w := Window{
		Fence:     f.Ask + f.Session + fencePause + f.Commit + kept,
		Drain:     reach + over(f.Lag, f.Apply),
		Late:      f.Session + lateLooks*f.Catalog + f.Late,
		Objects:   objects + f.Objects,
		Sequences: f.Session + f.Commit + float64(f.Sequences)*sequenceSeconds,
		Finish:    f.Session + float64(f.Steps)*f.Commit + f.Views,
		// Fingerprints of one table are on their way while another is read.
		Verify: float64(f.Groups)*f.PerGroup + float64(f.Questions)*f.Ask + float64(f.Tables)*f.PerTable +
			max(over(f.Compare, f.ScanRate), over(f.Sums, f.Down)) + over(f.Changed, f.KeyLookup),
		Open: f.Commit + kept,
	}
	if crowd := f.Crowd * f.Schema; w.Late > f.Schema {
		w.Late += crowd
	} else {
		w.Verify += min(w.Verify, crowd)
	}
	beside := w.Late + w.Objects + w.Sequences + w.Finish + w.Verify
	w.Proof = max(0, f.Schema-beside) + f.Ask + f.Session + reach + objects
	for _, s := range w.Steps() {
		w.Total += s.Seconds
	}
	return w
}

// anotherLook is what a step takes longer when somebody is slow to leave: fence and proof look again.
const anotherLook = 0.25

// Range is the total with how sure it is. What is measured is off by some part of it; beside that each step may
// meet a slow moment (jitter, in seconds), and one of them has to look again.
func (w *Window) Range(spread, jitter float64) Range {
	r := NewRange(w.Total, spread)
	slack := math.Hypot(anotherLook, jitter*math.Sqrt(float64(len(w.Steps()))))
	r.P95 = r.P50 + math.Hypot(r.P95-r.P50, p95*slack)
	return r
}

func over(n, rate float64) float64 {
	if n <= 0 || rate <= 0 {
		return 0
	}
	return n / rate
}
