package apply

import (
	"fmt"

	"replicator/wal/pgoutput"
)

// Filter is the visibility rule (invariant I3) over the chunks' receipts. It is asked from one
// goroutine and must not change while Run lasts.
type Filter interface {
	// Cover is the chunk of table (Table.Ordinal) that covers the row whose leading key column
	// is key, in either wire format. Tables without a key ask with the zero Value: all their
	// chunks share one snapshot.
	Cover(table int, key pgoutput.Value) (chunk int, err error)
	// Seen reports whether the chunk's snapshot sees the transaction.
	Seen(table, chunk int, xid uint32) bool
	// Chunks is the number of the table's chunks.
	Chunks(table int) int
	// Judges reports whether any change of the table may not be due: its rows are being read.
	Judges(table int) bool
	// Where is the SQL condition on the table's columns that holds for the chunk's rows;
	// "" is all rows.
	Where(table, chunk int) string
}

// RecopyError says that a row moved into a chunk that has not seen the move, while one of its TOAST
// values did not travel because it is unchanged: copy the chunk again, then call Run again
// with a source that starts at the position. Everything before that transaction has been
// committed, nothing of it.
type RecopyError struct{ Table, Chunk int }

func (e *RecopyError) Error() string {
	return fmt.Sprintf("table %d chunk %d must be copied again: a row moved into it without its unchanged TOAST value", e.Table, e.Chunk)
}

// due asks the filter about one side of a change; key is that side's key values.
func (a *applier) due(rel *relation, key []pgoutput.Value) (due bool, chunk int, err error) {
	f := a.cfg.Filter
	if f == nil {
		return true, 0, nil
	}
	var lead pgoutput.Value
	if len(rel.key) > 0 {
		lead = key[0]
	}
	chunk, err = f.Cover(rel.table.Ordinal, lead)
	if err != nil {
		return false, 0, fmt.Errorf("chunk of a row of %s: %w", rel.table, err)
	}
	return !f.Seen(rel.table.Ordinal, chunk, a.tx.xid), chunk, nil
}

// unseen is the chunks of a table whose snapshots do not see the running transaction.
func (a *applier) unseen(table int) (chunks []int, all bool) {
	f := a.cfg.Filter
	if f == nil {
		return nil, true
	}
	n := f.Chunks(table)
	for c := range n {
		if !f.Seen(table, c, a.tx.xid) {
			chunks = append(chunks, c)
		}
	}
	return chunks, len(chunks) == n
}
