package catchup

import (
	"encoding/json"
	"errors"
	"io"
	"runtime/debug"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/schema"
	"replicator/replicator/status"
	"replicator/wal"
)

// ReportVersion is that of the report's JSON shape. It changes when a field changes its meaning or
// goes away, not when one is added.
const ReportVersion = 1

// Outcome is how a catch-up ended.
type Outcome string

// The outcomes. After Aborted and Failed the fence is lifted, unless Failure says otherwise.
const (
	Opened    Outcome = "open"      // the target has taken over
	Aborted   Outcome = "aborted"   // told to stop, or out of time, before "open"
	Rehearsed Outcome = "rehearsed" // nothing was fenced and nothing opened
	Failed    Outcome = "failed"    // a gate, a step or the verification said no
)

// Report is the record of one catch-up or rehearsal, for the DBA who must prove it and for whoever
// reads it years later. Times are UTC, durations seconds, sizes bytes.
//
// It has no field for a row's value, a DSN or a free list of settings: what may be told is named
// here, field by field, and errors come in through [NewFailure] only, which takes the text of
// errors that hold no values (invariant I12).
type Report struct {
	Version   int       `json:"version"`
	Tool      string    `json:"tool"` // the version of replicator that wrote it
	Job       string    `json:"job"`
	Started   time.Time `json:"started"`
	Finished  time.Time `json:"finished,omitzero"`
	Rehearsal bool      `json:"rehearsal"`
	Operator  Operator  `json:"operator"`
	Outcome   Outcome   `json:"outcome"`
	Failure   *Failure  `json:"error,omitempty"`

	Source Database `json:"source"`
	Target Database `json:"target"`

	FenceLSN      wal.LSN `json:"fence_lsn"`              // of the marker after which nobody else wrote; 0/0: nobody was fenced
	ConsistentLSN wal.LSN `json:"consistent_lsn"`         // applied when the two sides were compared
	RehearsedLSN  wal.LSN `json:"rehearsed_lsn,omitzero"` // of the marker that a rehearsal drained to

	Gates []Gate `json:"gates"`

	Steps      []Step           `json:"steps"`
	Tables     []TableResult    `json:"tables"`
	Sequences  int              `json:"sequences"`             // set on the target, or in a rehearsal to be set
	MissedRows map[string]int64 `json:"missed_rows,omitempty"` // UPDATE or DELETE that found no row, by table
	Predicted  float64          `json:"predicted_seconds"`     // what a rehearsal expects; 0: nothing predicted

	Predictions []Prediction `json:"predictions,omitempty"` // what Predicted is the sum of

	LargeObjects *LargeObjects `json:"large_objects,omitempty"` // nil: the job does not move them

	Foretold *Foretold `json:"foretold,omitempty"` // nil: replicator bench had foretold nothing

	Strangers []status.Stranger `json:"strangers,omitempty"` // who else was seen on the target since the job began

	Manifest *schema.Manifest `json:"manifest,omitempty"` // what the target has not as the source has it

	Configuration Configuration `json:"configuration"`

	PublicKey string     `json:"public_key,omitempty"` // of minisign; "": the report is not signed
	Documents []Document `json:"-"`                    // what Sign made, for files
}

// Database is what is told of one side.
type Database struct {
	Name          string `json:"database"`
	ServerVersion string `json:"server_version"`
	SystemID      string `json:"system_identifier"`
}

// Step is one step of the catch-up, in the order in which they ran. Detail counts and names, it
// holds no values; of a step that failed it is the error.
type Step struct {
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Detail  string    `json:"detail,omitempty"`
	Skipped bool      `json:"skipped,omitempty"`
	Failed  bool      `json:"failed,omitempty"`
}

// Prediction is what a step of the catch-up is expected to take, and what that rests on.
type Prediction struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"` // -1: not known
	Basis   string  `json:"basis"`
}

// TableResult is one table on both sides at the consistent LSN. Fingerprints are empty where the
// table was not compared, and Equal is false then.
type TableResult struct {
	Name              string `json:"name"`
	Rows              int64  `json:"rows"`
	Bytes             int64  `json:"bytes"`
	TargetRows        int64  `json:"target_rows"`
	SourceFingerprint string `json:"source_fingerprint,omitempty"`
	TargetFingerprint string `json:"target_fingerprint,omitempty"`
	Equal             bool   `json:"equal"`
	Late              bool   `json:"late,omitempty"`    // copied at the fence
	Changed           bool   `json:"changed,omitempty"` // only the rows that changed since it was proved equal were compared
}

// Compared reports whether both sides of the table were read.
func (t TableResult) Compared() bool { return t.SourceFingerprint != "" && t.TargetFingerprint != "" }

// Configuration is what the operator chose.
type Configuration struct {
	Fence       string   `json:"fence"`
	Verify      string   `json:"verify"`
	Timeout     float64  `json:"timeout_seconds"` // 0: none
	Jobs        int      `json:"jobs"`
	IndexJobs   int      `json:"index_jobs"`
	NoKey       string   `json:"no_key"`
	Confirm     string   `json:"confirm"`
	Slot        string   `json:"slot"`
	Publication string   `json:"publication"`
	Selection   []string `json:"selection,omitempty"` // as pg_dump's arguments

	MaxLag            int64   `json:"max_lag_bytes"`
	VerifiedWithin    float64 `json:"verified_within_seconds"`     // 0: none
	MaxTransactionAge float64 `json:"max_transaction_age_seconds"` // below 0: none
	MaxLate           int64   `json:"max_late_bytes"`              // 0: none
	MaxRetained       int64   `json:"max_retained_bytes"`
	MinFree           int64   `json:"min_free_bytes"` // 0: what each disk needs

	ChunkBytes   int64  `json:"chunk_bytes"`
	LogBudget    int64  `json:"log_budget_bytes"` // 0: none
	RetainBudget int64  `json:"retain_budget_bytes"`
	TargetHost   string `json:"target_host,omitempty"` // of replicator serve, where the target end is at another site
	Sealed       bool   `json:"sealed"`                // the state directory, by a key file
}

// Failure is an error as machines read it.
type Failure struct {
	Code    fault.Code `json:"code"` // the exit code
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// NewFailure tells err. A nil err gives nil.
func NewFailure(err error) *Failure {
	if err == nil {
		return nil
	}
	return &Failure{Code: fault.CodeOf(err), Message: err.Error(), Hint: fault.HintOf(err)}
}

// took is how long, for people.
func (p Prediction) took() string {
	if p.Seconds < 0 {
		return "unknown"
	}
	return status.Seconds(p.Seconds)
}

// Err is the error that f tells, with its code and hint.
func (f *Failure) Err() error {
	if f == nil {
		return nil
	}
	return fault.New(f.Code, errors.New(f.Message), f.Hint)
}

// NewReport begins a report of a catch-up that starts now.
func NewReport(job string, rehearsal bool) *Report {
	return &Report{Version: ReportVersion, Tool: Tool(), Job: job, Started: time.Now().UTC(), Rehearsal: rehearsal}
}

// version is set by the linker: -X replicator/replicator/catchup.version=v1.2.3
var version string

// Tool is the version of this program: what the linker was told, else what the Go toolchain stamped.
func Tool() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// End notes how the catch-up ended and when.
func (r *Report) End(outcome Outcome, err error) {
	r.Outcome, r.Failure, r.Finished = outcome, NewFailure(err), time.Now().UTC()
}

// Seconds is how long it took, 0 while it runs.
func (r *Report) Seconds() float64 {
	if r.Finished.IsZero() {
		return 0
	}
	return r.Finished.Sub(r.Started).Seconds()
}

// Different are the tables that were compared and are not equal.
func (r *Report) Different() []TableResult {
	var list []TableResult
	for _, t := range r.Tables {
		if t.Compared() && !t.Equal {
			list = append(list, t)
		}
	}
	return list
}

// WriteJSON writes the report, indented.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
