package check

import (
	"slices"
	"time"

	"replicator/replicator/schema"
)

// ReportVersion is the version of the JSON form. It changes when a field changes its meaning.
const ReportVersion = 1

// Report is the answer of [Run].
type Report struct {
	Version  int       `json:"version"`
	Made     time.Time `json:"made"`
	Source   Server    `json:"source,omitzero"` // absent: not looked at
	Target   Server    `json:"target,omitzero"`
	Findings []Finding `json:"findings"`
	// Unchecked are the questions that were not asked, because they take the side that was not given.
	Unchecked []string `json:"unchecked,omitempty"`
	Plan      Plan     `json:"plan,omitzero"` // takes the source
	// Manifest is what will not be on the target as it is on the source. It takes the source; with the
	// target beside it it is whole.
	Manifest *schema.Manifest `json:"manifest,omitempty"`
}

// MustFix reports whether something must be fixed before the database can be moved: exit code 3.
func (r *Report) MustFix() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Must })
}

// count is the number of findings of a level.
func (r *Report) count(l Level) int {
	n := 0
	for i := range r.Findings {
		if r.Findings[i].Level == l {
			n++
		}
	}
	return n
}
