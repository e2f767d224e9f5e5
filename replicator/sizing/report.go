package sizing

import (
	"encoding/json"
	"io"
	"time"

	"replicator/replicator/sizing/forecast"
)

// ReportVersion is that of the JSON shape. It changes when a field changes its meaning or goes away,
// not when one is added.
const ReportVersion = 2

// Report is what was measured and what follows from it. Sizes are bytes, rates bytes a second, times
// UTC, durations seconds. It holds names of tables and no value of any row (invariant I12).
type Report struct {
	Version int       `json:"version"`
	Tool    string    `json:"tool"`
	Made    time.Time `json:"made"`
	Seconds float64   `json:"seconds"` // that measuring took
	Chosen  Chosen    `json:"settings"`

	Source   *Source   `json:"source,omitempty"`
	Target   *Target   `json:"target,omitempty"`
	Network  *Network  `json:"network,omitempty"`
	Path     *Path     `json:"path,omitempty"`
	Forecast *Forecast `json:"forecast,omitempty"`

	Advice []string `json:"advice,omitempty"` // the recommendation, in words
	Notes  []string `json:"notes,omitempty"`  // what could not be measured, and why
}

// Chosen is with what it was measured.
type Chosen struct {
	Jobs      int `json:"jobs"`
	IndexJobs int `json:"index_jobs"`
	CPUs      int `json:"processors"` // of this machine
}

// Point is a rate with so many connections.
type Point struct {
	Connections int     `json:"connections"`
	Rate        float64 `json:"bytes_per_second"`
	CPU         float64 `json:"processors_busy,omitempty"` // of this process
}

// Source is what the source gives.
type Source struct {
	Database string      `json:"database"`
	Release  string      `json:"server_version"`
	Tables   int         `json:"tables"`
	Bytes    int64       `json:"bytes"` // heap and TOAST
	Late     int         `json:"late_tables"`
	Kinds    []KindRate  `json:"kinds,omitempty"`
	Packing  []Packing   `json:"packing,omitempty"` // of the largest tables
	Changes  Changes     `json:"changes"`
	Hours    []HourRate  `json:"hours,omitempty"` // with --watch
	Effect   Effect      `json:"effect"`
	NoStats  []string    `json:"tables_without_statistics,omitempty"`
	Overall  []LevelRate `json:"levels,omitempty"` // over all sampled tables, weighted by size
}

// KindRate is how fast COPY reads tables of a kind.
type KindRate struct {
	Kind   Kind    `json:"kind"`
	Tables int     `json:"tables"`
	Bytes  int64   `json:"bytes"`
	Read   []Point `json:"read,omitempty"`
}

// Packing is what a table's rows pack to.
type Packing struct {
	Table  string      `json:"table"`
	Kind   Kind        `json:"kind"`
	Bytes  int64       `json:"bytes"`
	Sample int64       `json:"sample_bytes"`
	Levels []LevelRate `json:"levels"`
}

// LevelRate is a level of compression: how much smaller, and how fast on one processor.
type LevelRate struct {
	Level string  `json:"level"`
	Ratio float64 `json:"ratio"`
	Rate  float64 `json:"bytes_per_second"`
}

// Changes are what the source writes now.
type Changes struct {
	Seconds float64 `json:"seconds"` // how long was counted
	WAL     float64 `json:"wal_bytes_per_hour"`
	Rows    float64 `json:"row_changes_per_hour"` // inserted, updated, deleted, rolled back ones included; of the selected tables
	Peak    float64 `json:"peak_row_changes_per_hour"`
}

// HourRate is an hour of the day, in the machine's time zone.
type HourRate struct {
	Hour int     `json:"hour"`
	WAL  float64 `json:"wal_bytes_per_hour"`
	Rows float64 `json:"row_changes_per_hour"`
}

// Effect is what reading did to the source: how long a small query took before, during and after.
type Effect struct {
	Before Latency `json:"before"`
	During Latency `json:"during"`
	After  Latency `json:"after"`
}

// Latency is of one small query, and of others' work meanwhile.
type Latency struct {
	P50     float64 `json:"p50_seconds"`
	P95     float64 `json:"p95_seconds"`
	Worst   float64 `json:"worst_seconds"`
	Commits float64 `json:"commits_per_second"` // of the whole database
	Active  float64 `json:"active_sessions"`    // of others, on average
}

// Target is what the target takes.
type Target struct {
	Release string  `json:"server_version"`
	Write   []Point `json:"write,omitempty"`
	Index   float64 `json:"index_rows_per_second"` // a btree of a bigint
	Insert  float64 `json:"inserts_per_second"`
	Update  float64 `json:"updates_per_second"`
	Delete  float64 `json:"deletes_per_second"`
	Commit  Latency `json:"commit"` // of one small row: fsync, and the way there and back
}

// Apply is what a mix of changes is applied at: each of the three kinds a third of the rows.
func (t *Target) Apply() float64 {
	if t == nil || t.Insert <= 0 || t.Update <= 0 || t.Delete <= 0 {
		return 0
	}
	return 3 / (1/t.Insert + 1/t.Update + 1/t.Delete)
}

// Network is the way between the two sites.
type Network struct {
	Address    string      `json:"address"`
	RoundTrip  Latency     `json:"round_trip"`
	Up         []Point     `json:"up,omitempty"` // incompressible bytes, on the wire
	Down       []Point     `json:"down,omitempty"`
	Rows       []RowPoint  `json:"rows,omitempty"`    // samples of the source's own rows
	Resent     float64     `json:"resent_share"`      // of bytes that TCP sent, while the wire was half full
	ResentFull float64     `json:"resent_full_share"` // and full
	LossKnown  bool        `json:"loss_known"`
	Best       *RowPoint   `json:"best,omitempty"` // fills the wire, or is the fastest
	Streams    int         `json:"streams"`        // that fill the wire
	Wire       float64     `json:"wire_bytes_per_second"`
	Levels     []LevelRate `json:"levels,omitempty"` // of the rows that were sent
}

// RowPoint is own rows over some streams at one level.
type RowPoint struct {
	Level   string  `json:"level"`
	Streams int     `json:"streams"`
	Wire    float64 `json:"wire_bytes_per_second"`
	Rows    float64 `json:"bytes_per_second"`
	CPU     float64 `json:"processors_busy"`
}

// Path is the whole pipeline at work.
type Path struct {
	Kinds     []KindPath    `json:"kinds"`
	Bytes     float64       `json:"bytes"` // of rows, moved
	Seconds   float64       `json:"seconds"`
	Rate      float64       `json:"bytes_per_second"` // of all rows of the database, kinds weighted
	Wire      float64       `json:"wire_bytes_per_second,omitempty"`
	Level     string        `json:"level,omitempty"`
	Stage     string        `json:"limiting_stage"`
	Compare   float64       `json:"compare_bytes_per_second"`        // of comparing, both sides at once
	EachTable float64       `json:"compare_table_seconds,omitempty"` // that comparing a small table takes
	Group     float64       `json:"compare_group_seconds,omitempty"` // and a group of them under one snapshot
	Indexes   int           `json:"indexes"`                         // built, of the sample
	Skipped   int           `json:"indexes_skipped"`                 // that cannot be made in a scratch schema; reckoned by rows
	Prepared  float64       `json:"prepare_seconds"`
	Work      forecast.Work `json:"work"`
	Spread    float64       `json:"spread"`
	Sampled   float64       `json:"sampled_share"` // of all rows
	CPU       float64       `json:"processors_busy"`

	facts facts
}

// KindPath is how fast rows of a kind go through the whole path.
type KindPath struct {
	Kind   Kind    `json:"kind"`
	Tables int     `json:"tables"`
	Chunks int     `json:"chunks"` // moved
	Bytes  float64 `json:"bytes"`
	Packed float64 `json:"packed_bytes,omitempty"` // of them on the wire
	Rate   float64 `json:"bytes_per_second"`
}

// facts are what the forecast of the window must know beside rates. Times are in seconds.
type facts struct {
	late      float64 // of the tables that are copied at the fence
	views     float64 // of materialized views, which are filled there
	objects   float64 // bytes of large objects
	digests   float64 // of comparing them
	sequences int
	finish    int     // steps of the window
	small     int     // tables that are compared many at once
	large     float64 // bytes of rows of all others
	groups    int     // that tables are compared in
	questions int     // about many small ones
	session   float64 // to open one on the source
	catalog   float64 // of reading what tables there are
	schema    float64 // of reading all of the source's schema
	crowd     float64 // part of that which other work takes longer
	step      float64 // of one empty step
	sums      float64 // bytes of all fingerprints
	down      float64 // bytes a second of the wire that they come back over; 0: there is none
}

// Forecast is what is to be expected.
type Forecast struct {
	Seed      forecast.Seed       `json:"seed"`
	SeedRange forecast.Range      `json:"seed_range"`
	Bytes     float64             `json:"bytes"` // of rows
	Finish    forecast.Finish     `json:"finish"`
	Window    forecast.Window     `json:"window"`
	OpenRange forecast.Range      `json:"fence_to_open"`
	Proved    forecast.Range      `json:"fence_to_open_proved"` // after a clean verify: only what changed since is compared
	Links     []forecast.Link     `json:"links,omitempty"`
	Stages    forecast.Stages     `json:"stages"`
	Capacity  float64             `json:"applied_per_hour"` // row changes, sustained
	Peak      float64             `json:"peak_row_changes_per_hour"`
	Deadlines *forecast.Deadlines `json:"deadlines,omitempty"`
}

// WriteJSON writes the report, indented.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *Report) note(text string) { r.Notes = append(r.Notes, text) }
