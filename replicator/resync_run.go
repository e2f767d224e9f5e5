package replicator

import (
	"context"
	"fmt"
	"slices"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/target"
	"replicator/wal"
)

// How a run takes tables through again: as in the beginning, but for these tables alone. They go from
// the target and are made anew; their rows are read, each table under one snapshot; a marker is written;
// changes up to it are judged by the snapshots where they are of these tables, and all due where they
// are of others. Nobody applies between the stop and the end of the copy, so no change can have passed
// that a snapshot does not see.

// takeAway loads what is to be taken through again, and has these tables go from the target before its
// receipts count. It returns those that are left.
func (j *job) takeAway(ctx context.Context, receipts []chunker.Receipt) ([]chunker.Receipt, error) {
	var r resyncRecord
	found, err := j.store.Get(keyResync, &r)
	if err != nil || !found {
		return receipts, err
	}
	j.resync = &r
	if err := j.undone(ctx); err != nil { // of a catch-up that was given up
		return nil, err
	}
	err = j.inOrder(ctx, "take tables from the target", r.Steps)
	if pg.State(err) == target.DependentObjects {
		err = fault.New(fault.Preflight, fmt.Errorf("something on the target depends on a table that is taken through again, and the source no longer has it so: %w", err),
			"look in the target with \\d+ for views and functions that use the table, drop them there, and run resync again")
	}
	if err != nil {
		return nil, err
	}
	j.o.Hook("engine: tables taken away")
	st, err := j.end.State(ctx)
	return st.Receipts, err
}

// resyncs reports whether a table is taken through again while the others stand.
func (j *job) resyncs(t *chunker.Table) bool {
	return j.resync == nil || j.resync.All || slices.Contains(j.resync.Tables, t.Ordinal)
}

// judged are the chunks by whose snapshots changes are judged up to the marker.
func (j *job) judged() [][]chunker.Chunk {
	if j.resync == nil || j.resync.All {
		return j.chunks
	}
	list := make([][]chunker.Chunk, len(j.planned()))
	for _, n := range j.resync.Tables {
		list[n] = j.chunks[n]
	}
	return list
}

// passed are the relations whose changes are passed over up to the marker.
func (j *job) passed() []uint32 {
	if j.resync == nil {
		return nil
	}
	return j.resync.Skip
}

// noted is how far the notes of changed rows go, where anything was proved: the change log is needed
// from there on, or the proofs of tables that nobody touched would be void.
func (j *job) noted() (wal.LSN, bool) {
	var notes touches
	found, err := j.store.Get(keyTouches, &notes)
	return notes.UpTo, err == nil && found && len(notes.Tables) > 0
}

// resynced forgets what was taken through again, once the target has a consistent point with it.
func (j *job) resynced() error {
	if j.resync == nil {
		return nil
	}
	j.log.Info("tables were taken through again", "tables", len(j.resync.Tables))
	j.mu.Lock()
	j.resync = nil
	j.mu.Unlock()
	return j.store.Delete(keyResync)
}
