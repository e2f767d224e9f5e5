package catchup

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"replicator/replicator/status"
)

//go:embed report.html.tmpl
var pageText string

//go:embed report.css
var pageStyle string

// WriteHTML writes the report as one page that needs nothing else: no script, no picture, no font
// from elsewhere. Its content security policy forbids everything but its own style sheet, which is
// named by its digest, so that nothing that a name in the report could hold is ever run.
func (r *Report) WriteHTML(w io.Writer) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"count": status.Count, "time": longTime, "clock": clockTime,
		"size": func(n int64) string { return status.Size(float64(n)) },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("report page: %w", err)
	}
	digest := sha256.Sum256([]byte(pageStyle))
	return page.Execute(w, map[string]any{
		"Report": r, "Verdict": r.verdict(), "Facts": r.facts(), "Configuration": r.Configuration.facts(),
		"Timeline": newTimeline(r), "Took": status.Seconds(r.Seconds()),
		"Style":     template.CSS(pageStyle),
		"StyleHash": "sha256-" + base64.StdEncoding.EncodeToString(digest[:]),
	})
}

func longTime(t time.Time) string {
	if t.IsZero() {
		return "not finished"
	}
	return status.Time(t)
}

func clockTime(t time.Time) string { return t.UTC().Format("15:04:05") }

// Took is for the template.
func (s Step) Took() string { return s.took() }

// Took is for the template.
func (p Prediction) Took() string { return p.took() }

// Told is for the template.
func (s Step) Told() string { return s.told() }

// facts are what the operator chose, for people.
func (c Configuration) facts() []fact {
	none := func(seconds float64) string {
		if seconds <= 0 {
			return "none"
		}
		return status.Seconds(seconds)
	}
	bytes := func(n int64) string {
		if n == 0 {
			return "none"
		}
		return status.Size(float64(n))
	}
	return []fact{
		{"fence", c.Fence}, {"verify", c.Verify}, {"timeout", none(c.Timeout)},
		{"jobs", fmt.Sprint(c.Jobs)}, {"index jobs", fmt.Sprint(c.IndexJobs)},
		{"tables without key", c.NoKey}, {"confirm", c.Confirm},
		{"slot", c.Slot}, {"publication", c.Publication}, {"selection", cmp.Or(strings.Join(c.Selection, " "), "everything")},
		{"most lag to begin with", bytes(c.MaxLag)}, {"verified within", none(c.VerifiedWithin)},
		{"oldest transaction", none(c.MaxTransactionAge)}, {"most of late tables", bytes(c.MaxLate)},
		{"most of retained WAL", bytes(c.MaxRetained)}, {"least to be free", map[bool]string{true: "what each disk needs", false: bytes(c.MinFree)}[c.MinFree == 0]}, {"chunks of", bytes(c.ChunkBytes)},
		{"budget of the change log", bytes(c.LogBudget)}, {"budget of retained WAL", bytes(c.RetainBudget)},
		{"target end", cmp.Or(c.TargetHost, "in the engine's process")},
		{"state directory", map[bool]string{true: "sealed by a key file", false: "readable"}[c.Sealed]},
	}
}
