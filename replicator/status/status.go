package status

import (
	"time"

	"replicator/wal"
)

// Version is that of the JSON shape. It changes when a field changes its meaning or goes away, not
// when one is added.
const Version = 1

// Phase is where the job is.
type Phase string

// The phases, in the order in which a job goes through them.
const (
	Preparing  Phase = "preparing"   // plan, schema, publication, slot
	Copying    Phase = "copying"     // chunks; tables that are complete get their indexes meanwhile
	Indexing   Phase = "indexing"    // all rows are there, the last indexes are not; or constraints
	CatchingUp Phase = "catching-up" // the change log is applied up to the consistent point
	Following  Phase = "following"   // the target equals the source at every window
	Fenced     Phase = "fenced"      // the source takes no writes, catch-up is under way
	Open       Phase = "open"        // the target has taken over
	Failed     Phase = "failed"      // stopped by an error that a person must look at
)

// Status is what `replicator status` shows, and its JSON shape. Sizes are bytes, times UTC,
// durations seconds, LSNs text as PostgreSQL writes them.
type Status struct {
	Version   int       `json:"version"`
	At        time.Time `json:"at"`
	Job       string    `json:"job"`
	Running   bool      `json:"running"` // whether an engine answered, or the store was read
	PID       int       `json:"pid,omitempty"`
	Phase     Phase     `json:"phase"`
	Since     time.Time `json:"since"`             // when the phase began
	Waiting   string    `json:"waiting,omitempty"` // what the job waits for, in words
	LastError string    `json:"last_error,omitempty"`
	ErrorAt   time.Time `json:"error_at,omitzero"`

	Copy    Copy     `json:"copy"`
	Indexes Indexes  `json:"indexes"`
	Source  Source   `json:"source"`
	Log     Log      `json:"change_log"`
	Apply   Apply    `json:"apply"`
	Link    *Link    `json:"link,omitempty"`
	Tables  []Table  `json:"tables"`
	Late    []string `json:"late_tables,omitempty"`    // made after the plan, or without identity or WAL: copied at the fence
	Notes   []string `json:"notes,omitempty"`          // what was left out of the schema, and why
	Changed []string `json:"changed_tables,omitempty"` // by statements on the source since they were planned

	LargeObjects *LargeObjects `json:"large_objects,omitempty"` // nil: the job does not move them

	Forecast *Forecast `json:"forecast,omitempty"` // nil: replicator bench has left none

	Strangers []Stranger `json:"strangers,omitempty"` // who else was seen on the target
}

// Copy is the bulk copy's progress. Bytes count what COPY gave; BytesTotal is the plan's estimate
// of the tables' size on disk, so the two agree only roughly.
type Copy struct {
	TablesTotal  int     `json:"tables_total"`
	TablesCopied int     `json:"tables_copied"`
	ChunksTotal  int     `json:"chunks_total"`
	ChunksCopied int     `json:"chunks_copied"`
	ChunksReused int     `json:"chunks_reused,omitempty"` // of them: stood on the target already
	Rows         int64   `json:"rows"`
	Bytes        int64   `json:"bytes"`
	BytesTotal   int64   `json:"bytes_total"`
	RowRate      float64 `json:"rows_per_second"`
	ByteRate     float64 `json:"bytes_per_second"`
	ETA          float64 `json:"eta_seconds"`                         // -1: unknown
	MaxRate      int64   `json:"max_rate_bytes_per_second,omitempty"` // of reading, without a link; 0: no cap now
}

// Indexes is the progress of index and constraint steps.
type Indexes struct {
	Total   int      `json:"total"`
	Built   int      `json:"built"`
	Running []string `json:"running,omitempty"`
}

// Source is what the job costs the source.
type Source struct {
	Retained    int64   `json:"retained_wal_bytes"`
	SafeSize    int64   `json:"safe_wal_bytes"` // until the slot is lost; -1: no limit
	SlotState   string  `json:"slot_state"`     // wal_status
	CurrentLSN  wal.LSN `json:"current_lsn"`
	SnapshotAge float64 `json:"oldest_snapshot_seconds"` // longest that we hold one now
}

// Log is the change log on our disk.
type Log struct {
	Bytes    int64   `json:"bytes"`
	Received wal.LSN `json:"received_lsn"`
	Durable  wal.LSN `json:"durable_lsn"`
	Full     bool    `json:"full"` // the disk budget is reached: nothing more is confirmed
}

// Apply is how far the target is. LagBytes is WAL between the source's end and what is applied;
// LagSeconds is the age of the oldest commit that is received and not applied, 0 when there is none.
type Apply struct {
	Applied      wal.LSN          `json:"applied_lsn"`
	CommitTime   time.Time        `json:"commit_time,omitzero"` // of the transaction applied last
	LagBytes     int64            `json:"lag_bytes"`
	LagSeconds   float64          `json:"lag_seconds"`
	Transactions int64            `json:"transactions"`
	Changes      int64            `json:"changes"`
	ChangeRate   float64          `json:"changes_per_second"`
	ETA          float64          `json:"eta_seconds"`           // until the lag is zero; -1: unknown
	Missed       map[string]int64 `json:"missed_rows,omitempty"` // UPDATE or DELETE that found no row, by table
}

// Late is the kind of a table that is copied at the fence.
const Late = "late"

// Table is one table's progress.
type Table struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"` // how it is cut: whole, range, block; or late
	Chunks  int    `json:"chunks"`
	Copied  int    `json:"chunks_copied"`
	Reused  int    `json:"chunks_reused,omitempty"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
	Size    int64  `json:"size"` // on the source, when planned
	Indexed bool   `json:"indexed"`
}
