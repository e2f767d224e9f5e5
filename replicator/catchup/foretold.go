package catchup

import (
	"fmt"

	"replicator/replicator/status"
)

// Foretold is what replicator bench had foretold of the move, beside what happened. Durations are seconds.
type Foretold struct {
	Seed     float64 `json:"seed_p50_seconds"` // from the beginning of the job until it followed
	SeedP95  float64 `json:"seed_p95_seconds"`
	SeedTook float64 `json:"seed_seconds"`
	Open     float64 `json:"fence_to_open_p50_seconds"` // every row compared
	OpenP95  float64 `json:"fence_to_open_p95_seconds"`
}

// NewForetold is what status knows of it; nil where nothing was foretold, or the job does not follow yet.
func NewForetold(f *status.Forecast) *Foretold {
	if f == nil || !f.Followed {
		return nil
	}
	return &Foretold{Seed: f.P50, SeedP95: f.P95, SeedTook: f.Elapsed, Open: f.OpenP50, OpenP95: f.OpenP95}
}

// fenceToOpen is how long the steps from the fence on took.
func (r *Report) fenceToOpen() (seconds float64) {
	fenced := false
	for _, s := range r.Steps {
		if fenced = fenced || s.Name == fenceStep; fenced {
			seconds += s.Seconds
		}
	}
	return seconds
}

// fenceStep is the name of the first step that people feel.
const fenceStep = "fence the source"

// foretold are lines for people.
func (r *Report) foretold() []fact {
	f := r.Foretold
	if f == nil {
		return nil
	}
	list := []fact{{"pre-seed", took(f.SeedTook, f.Seed, f.SeedP95)}}
	if r.Outcome == Opened {
		list = append(list, fact{"fence to opening", took(r.fenceToOpen(), f.Open, f.OpenP95) + ", with every row compared"})
	}
	return list
}

func took(seconds, p50, p95 float64) string {
	return fmt.Sprintf("%s; foretold %s, seldom more than %s", status.Seconds(seconds), status.Seconds(p50), status.Seconds(p95))
}
