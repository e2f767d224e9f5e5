package verify

import (
	"time"

	"replicator/replicator/status"
	"replicator/wal"
)

// ReportVersion is that of the JSON shape. It changes when a field changes its meaning or goes away.
const ReportVersion = 1

// Outcome is how a verification ended.
type Outcome string

// The outcomes.
const (
	Running   Outcome = "running" // or killed: the next one goes on with it
	Equal     Outcome = "equal"
	Different Outcome = "different"
	Failed    Outcome = "failed"
)

// Report is what a verification found. It holds no row values unless keys were asked for.
type Report struct {
	Version int       `json:"version"`
	Job     string    `json:"job"`
	Options Options   `json:"options"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Outcome Outcome   `json:"outcome"`
	Seconds float64   `json:"seconds"`               // of work: less than from start to end where it was killed between
	Pause   float64   `json:"longest_pause_seconds"` // for which apply stood still
	Tables  []Table   `json:"tables"`
	Left    []string  `json:"left_out,omitempty"` // late tables: they are copied and compared at the fence
	Error   string    `json:"error,omitempty"`

	Strangers []status.Stranger `json:"strangers,omitempty"` // who else was seen on the target since the job began
}

// Table is the comparison of one table.
type Table struct {
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	LSN     wal.LSN   `json:"lsn"`     // both sides were compared as of this point of the source's history
	Seconds float64   `json:"seconds"` // of a little table its part of what many took together
	Rows    int64     `json:"rows"`    // compared, on the source
	Bytes   int64     `json:"bytes"`   // of their images
	Equal   bool      `json:"equal"`
	// Set when not equal: what differs. More says that there are more rows than are named.
	Differences []Row `json:"differences,omitempty"`
	More        bool  `json:"more,omitempty"`
	Repaired    int   `json:"repaired,omitempty"` // rows; the table was then compared again
}

// Row is a row that differs.
type Row struct {
	Kind    string   `json:"kind"`          // see checksum.Kind
	KeyHash string   `json:"key_hash"`      // of the key, or of the whole row where there is none
	Key     []string `json:"key,omitempty"` // only with --show-keys
}

// Different are the names of the tables that are not equal.
func (r *Report) Different() (names []string) {
	for i := range r.Tables {
		if !r.Tables[i].Equal {
			names = append(names, r.Tables[i].Name)
		}
	}
	return names
}
