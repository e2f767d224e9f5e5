package catchup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/wal/slot"
)

// Gate is a condition that must hold before anybody is fenced: what was found, what is allowed, and
// whether that closes it. What cannot be known closes nothing, and says so.
type Gate struct {
	Name    string   `json:"name"`
	Closed  bool     `json:"closed"`
	Found   string   `json:"found"`
	Allowed string   `json:"allowed"`
	Hint    string   `json:"hint,omitempty"`  // what to do about a closed one
	Names   []string `json:"names,omitempty"` // of tables or transactions, where Found names a few

	Measured float64 `json:"measured"` // the figure behind Found, in Unit; -1: not known
	Limit    float64 `json:"limit"`    // the one behind Allowed; -1: none
	Unit     string  `json:"unit"`     // bytes, seconds, tables, losses
}

// State is the gate in a word.
func (g Gate) State() string {
	switch {
	case g.Closed:
		return "CLOSED"
	case g.Measured < 0 && g.Limit >= 0:
		return "not known"
	}
	return "open"
}

// Findings are what the gates are judged by.
type Findings struct {
	Lag        int64 // bytes of WAL that are not applied
	LagSeconds float64
	Changed    error // tables are not what they were when they were planned, of code fault.Preflight

	Proofs       []Proof        // of the tables that are compared while both sides are live
	Transactions []slot.Blocker // of others on the source database that have written, prepared ones too; the oldest first
	Hidden       bool           // our role does not see the transactions of others

	Late        []chunker.Table
	LateSeconds float64 // what copying them is expected to take

	Slot         slot.State
	RetainBudget int64 // of WAL that the slot retains
	LogFull      bool  // the change log's disk budget is reached

	Free       int64 // bytes on the disk of the change log; -1: not known
	TargetFree int64 // bytes on the disk of the target's data directory; -1: not known
}

// Proof is when a table was found equal last.
type Proof struct {
	Table string
	At    time.Time
	Void  string // why there is none that counts, "" where there is
}

// gates looks at everything that must be as it should before anybody is fenced, also when something is
// not: whoever reads it mends all of it in one go.
func (r *run) gates(ctx context.Context) (string, error) {
	var err error
	if r.report.Source, r.report.Target, err = r.job.Facts(ctx); err != nil {
		return "", err
	}
	var changed error
	if r.all_, err = r.job.Tables(ctx); fault.CodeOf(err) == fault.Preflight {
		changed = err
	} else if err != nil {
		return "", err
	}
	found, err := r.job.Look(ctx, r.all_)
	if err != nil {
		return "", err
	}
	found.Changed = changed
	manifest, err := r.manifest(ctx)
	if err != nil {
		return "", err
	}
	r.report.Gates = append(r.o.judge(&found, time.Now()), manifest)
	if err := r.strangers(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d, all open", len(r.report.Gates)), r.passed()
}

// passed is the error where gates are closed; each is told in a line of its own.
func (r *run) passed() error {
	var closed, hints []string
	for _, g := range r.report.Gates {
		if !g.Closed {
			continue
		}
		closed, hints = append(closed, g.Name+": "+g.Found), append(hints, g.Hint)
		r.tell(Event{At: time.Now().UTC(), Step: "gates", State: StepNote, Text: "CLOSED, " + g.Name + ": " + g.Found + "; allowed: " + g.Allowed + "; " + g.Hint})
	}
	if len(closed) == 0 {
		return nil
	}
	text := strings.Join(closed, "; ")
	if len(closed) > 1 {
		text = fmt.Sprintf("%d are closed: %s", len(closed), text)
	}
	return fault.New(fault.Preflight, errors.New(text), strings.Join(hints, "; "))
}
