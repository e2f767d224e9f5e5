package target

import (
	"fmt"

	"replicator/chunker"
	"replicator/replicator/apply"
	"replicator/wal/pgoutput"
)

// filter is the visibility rule (invariant I3) over the receipts that the target holds. Tables without
// a list of chunks are not judged: every change of theirs is due.
type filter struct {
	covers []*chunker.Coverage // by Table.Ordinal; nil for tables that are not judged, or whose changes do not come
}

func newFilter(tables []chunker.Table, chunks [][]chunker.Chunk, receipts []chunker.Receipt) (apply.Filter, error) {
	byTable := map[int][]chunker.Receipt{}
	for _, r := range receipts {
		byTable[r.Table] = append(byTable[r.Table], r)
	}
	f := &filter{covers: make([]*chunker.Coverage, len(chunks))}
	for i := range tables {
		t := &tables[i]
		if chunks[t.Ordinal] == nil {
			continue
		}
		cover, err := chunker.NewCoverage(t, chunks[t.Ordinal], byTable[t.Ordinal])
		if err != nil {
			return nil, fmt.Errorf("judge changes: %w", err)
		}
		f.covers[t.Ordinal] = cover
	}
	return f, nil
}

func (f *filter) Cover(table int, key pgoutput.Value) (int, error) {
	if f.covers[table] == nil {
		return 0, nil
	}
	return f.covers[table].Chunk(key.Data, key.Kind == 't')
}

func (f *filter) Seen(table, chunk int, xid uint32) bool {
	return f.covers[table] != nil && f.covers[table].Sees(chunk, xid)
}

func (f *filter) Chunks(table int) int {
	if f.covers[table] == nil {
		return 1
	}
	return f.covers[table].Chunks()
}

func (f *filter) Judges(table int) bool { return f.covers[table] != nil }

func (f *filter) Where(table, chunk int) string {
	if f.covers[table] == nil {
		return ""
	}
	return f.covers[table].Where(chunk)
}
