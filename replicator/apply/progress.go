package apply

import (
	"maps"
	"time"

	"replicator/wal"
)

// Progress is what the target has durably applied. Counts are since Run began.
type Progress struct {
	Applied    wal.LSN   // the position row: commit end of the last applied transaction, or a mark beyond it
	CommitTime time.Time // of the last applied transaction, on the source

	Transactions int64 // with row changes on followed tables, applied or already visible to every chunk
	Changes      int64 // row changes applied; a TRUNCATE is one
	Skipped      int64 // row changes that the chunks had already seen
	Bytes        int64 // of the messages of applied changes

	// Missed counts, per Table.Ordinal, the UPDATEs and DELETEs that found no row. One is a
	// mismatch: target and source differed there.
	Missed map[int]int64

	// Markers maps the content of each marker (the last maxMarkers of them) to the position at
	// which the target stood once everything before the marker was applied: the LSN that
	// pg_logical_emit_message returned, or the commit end of a transactional marker.
	Markers map[string]wal.LSN
	// Before maps the content of each marker to the number of transactions with row changes
	// between it and the marker before it (or the first transaction that Run was given).
	Before map[string]int64
	// TransactionsSinceMarker is the number of transactions with row changes after the last
	// marker: the proof at the fence that nobody else wrote. It counts what the source gives
	// whether or not a change was due; without any marker it counts from where the source began.
	TransactionsSinceMarker int64
	// Carried are tables as statements have left them, those of before Run that Config.Carried does not
	// have among them.
	Carried []Carried
}

// Result is the last progress.
type Result = Progress

// maxMarkers bounds the markers that are remembered: more than one catch-up or verification uses.
const maxMarkers = 256

// marker is a marker met in the stream, not yet reported.
type marker struct {
	name   string
	lsn    wal.LSN
	before int64
}

// reporter keeps the progress; what it hands out shares nothing with it.
type reporter struct {
	now   Progress
	names []string // markers, oldest first
	warn  func(table int, missed int64)
}

func newReporter(warn func(table int, missed int64)) *reporter {
	return &reporter{warn: warn, now: Progress{
		Missed: map[int]int64{}, Markers: map[string]wal.LSN{}, Before: map[string]int64{},
	}}
}

// mark remembers markers. The maps are replaced, not changed: callers of Progress keep theirs.
func (r *reporter) mark(ms []marker) {
	if len(ms) == 0 {
		return
	}
	r.now.Markers, r.now.Before = maps.Clone(r.now.Markers), maps.Clone(r.now.Before)
	for _, m := range ms {
		if _, again := r.now.Markers[m.name]; !again {
			r.names = append(r.names, m.name)
		}
		r.now.Markers[m.name], r.now.Before[m.name] = m.lsn, m.before
	}
	for len(r.names) > maxMarkers {
		delete(r.now.Markers, r.names[0])
		delete(r.now.Before, r.names[0])
		r.names = r.names[1:]
	}
}

// miss adds the misses of a committed transaction; the first of a table is told.
func (r *reporter) miss(missed map[int]int64) {
	if len(missed) == 0 {
		return
	}
	r.now.Missed = maps.Clone(r.now.Missed)
	for table, n := range missed {
		if r.now.Missed[table] == 0 {
			r.warn(table, n)
		}
		r.now.Missed[table] += n
	}
}
