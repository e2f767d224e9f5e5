package target

import (
	"fmt"

	"replicator/chunker"
	"replicator/replicator/apply"
	"replicator/wal/pgoutput"
)

// filter is the visibility rule (invariant I3) over the receipts that the target holds.
type filter struct {
	covers []*chunker.Coverage // by Table.Ordinal; nil for tables whose changes do not come
}

func newFilter(tables []chunker.Table, chunks [][]chunker.Chunk, receipts []chunker.Receipt) (apply.Filter, error) {
	byTable := map[int][]chunker.Receipt{}
	for _, r := range receipts {
		byTable[r.Table] = append(byTable[r.Table], r)
	}
	f := &filter{covers: make([]*chunker.Coverage, len(chunks))}
	for i := range tables {
		t := &tables[i]
		cover, err := chunker.NewCoverage(t, chunks[t.Ordinal], byTable[t.Ordinal])
		if err != nil {
			return nil, fmt.Errorf("judge changes: %w", err)
		}
		f.covers[t.Ordinal] = cover
	}
	return f, nil
}

func (f *filter) Cover(table int, key pgoutput.Value) (int, error) {
	return f.covers[table].Chunk(key.Data, key.Kind == 't')
}

func (f *filter) Seen(table, chunk int, xid uint32) bool { return f.covers[table].Sees(chunk, xid) }

func (f *filter) Chunks(table int) int { return f.covers[table].Chunks() }

func (f *filter) Where(table, chunk int) string { return f.covers[table].Where(chunk) }
