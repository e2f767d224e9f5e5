package forecast

// Table is what a seed does for one table.
type Table struct {
	Name   string    `json:"name"`
	Bytes  float64   `json:"bytes"`                  // that COPY will give
	Packed float64   `json:"packed_bytes,omitempty"` // of them on the wire, where there is one
	Chunks int       `json:"chunks"`
	Rate   float64   `json:"bytes_per_second"`         // where no wire holds them up, all sessions at work
	Steps  []float64 `json:"step_seconds,omitempty"`   // indexes as it completes, each alone
	After  float64   `json:"after_seconds,omitempty"`  // once they are there: its statistics
	Unique []float64 `json:"unique_seconds,omitempty"` // indexes that wait for the consistent point
}

// Path is how the parts of the engine get along with each other.
type Path struct {
	Sessions    int     `json:"sessions"`                        // that read chunks; 0 is one
	Chunk       float64 `json:"chunk_seconds"`                   // that a chunk costs beyond its bytes, all sessions at work
	Wire        float64 `json:"wire_bytes_per_second,omitempty"` // what the wire carries; 0: there is none
	Alone       float64 `json:"one_session"`                     // part of the rate of all sessions that one reaches; 0 is all of it
	OneStream   float64 `json:"one_stream"`                      // part of the wire that one chunk on its way fills; 0 is all of it
	IndexJobs   int     `json:"index_jobs"`
	Speedup     float64 `json:"index_speedup"` // 1 to IndexJobs
	CopyBeside  float64 `json:"copy_beside"`   // speed of the copy while IndexJobs steps run, 0 to 1
	IndexBeside float64 `json:"index_beside"`  // speed of a step while rows are copied, 0 to 1
}

// Work is a whole seed.
type Work struct {
	Prepare     float64   `json:"prepare_seconds"`
	Tables      []Table   `json:"tables"` // in the engine's order
	Constraints float64   `json:"constraints_seconds"`
	Foreign     []float64 `json:"foreign_seconds,omitempty"`    // validations, each alone
	Changes     float64   `json:"changes_per_second"`           // row changes on the source
	Apply       float64   `json:"applied_per_second,omitempty"` // that the target applies; 0: not known
	Path        Path      `json:"path"`
}

// Seed is the forecast, in seconds. Index is what is left of the indexes once the last row is there.
type Seed struct {
	Prepare   float64 `json:"prepare_seconds"`
	Copy      float64 `json:"copy_seconds"`
	Index     float64 `json:"index_seconds"`
	CatchUp   float64 `json:"catch_up_seconds"`
	Constrain float64 `json:"constrain_seconds"`
	Total     float64 `json:"total_seconds"`
	Behind    bool    `json:"never_current,omitempty"` // the source changes faster than the target applies: CatchUp is left out
}

// Seed forecasts w.
func (w *Work) Seed() Seed {
	s := Seed{Prepare: w.Prepare}
	s.Copy, s.Index = w.simulate()
	s.CatchUp, s.Behind = catchUp(s.Copy*due+s.Index, w.Changes, w.Apply)
	var unique []float64
	for i := range w.Tables {
		unique = append(unique, w.Tables[i].Unique...)
	}
	s.Constrain = w.Path.together(unique) + w.Constraints + w.Path.together(w.Foreign)
	s.Total = s.Prepare + s.Copy + s.Index + s.CatchUp + s.Constrain
	return s
}

// due is the part of what changes during the copy that has to be applied after it: a chunk that is read
// later than the change has it already, and chunks are read one after another.
const due = 0.5

// catchUp is how long a backlog of span seconds takes, with what comes meanwhile.
func catchUp(span, changes, apply float64) (seconds float64, behind bool) {
	switch {
	case changes <= 0 || apply <= 0:
		return 0, false
	case changes >= apply:
		return 0, true
	}
	return span * changes / (apply - changes), false
}

// CopySeconds is what the copy takes with nothing beside it: what holds it up more, the wire or all the
// rest. Chunks of several tables are on their way at once, so one table waits for the wire while another is read.
func (w *Work) CopySeconds() float64 {
	var local, wire float64
	for i := range w.Tables {
		l, c := w.chunk(&w.Tables[i])
		n := float64(max(1, w.Tables[i].Chunks))
		local += n * l
		wire += n * c
	}
	return max(local, wire)
}

// chunk is what one chunk of a table takes, in seconds of everything but the wire, and of the wire.
func (w *Work) chunk(t *Table) (local, wire float64) {
	n := float64(max(1, t.Chunks))
	local = over(t.Bytes/n, t.Rate)
	if t.Chunks > 0 {
		local += w.Path.Chunk
	}
	return local, over(t.Packed/n, w.Path.Wire)
}

// Bytes is what COPY will give of all tables.
func (w *Work) Bytes() (n float64) {
	for i := range w.Tables {
		n += w.Tables[i].Bytes
	}
	return n
}
