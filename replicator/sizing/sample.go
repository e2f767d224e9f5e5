package sizing

import (
	"context"
	"math"
	"slices"
	"sync"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// piece is a chunk of a sample.
type piece struct {
	table *chunker.Table
	chunk *chunker.Chunk
	of    int // chunks that the table is cut into
}

// pieces hands chunks out in an order of which every beginning is a fair sample: evenly over the
// tables by their size, and evenly within each.
type pieces struct {
	mu    sync.Mutex
	list  []piece
	taken int
	round bool // begin again when all are taken: the cache answers then, as it does for a small database anyway
}

// sampleOf cuts tables into chunks of about so many bytes, by the engine's own rules.
func sampleOf(ctx context.Context, conn *pg.Conn, tables []*chunker.Table, bytes int64) (*pieces, error) {
	type placed struct {
		piece
		at float64
	}
	var all []placed
	for _, t := range tables {
		chunks, of, err := cut(ctx, conn, t, bytes)
		if skip(err) {
			continue // no right, locked, dropped: somebody else's table for now
		}
		if err != nil {
			return nil, err
		}
		for i := range chunks {
			// The place of the i-th of n evenly spread, in an order in which no two neighbours follow each other.
			rank := float64(spread(i, len(chunks)))
			all = append(all, placed{piece{t, &chunks[i], of}, (rank + 0.5) / float64(len(chunks))})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	p := &pieces{list: make([]piece, len(all))}
	for i := range all {
		p.list[i] = all[i].piece
	}
	return p, nil
}

// mostPieces bounds the chunks of one table in a sample.
const mostPieces = 2048

// cut cuts a table, and tells into how many chunks. Of one that would give too many there are as many
// as a sample can want, by blocks with gaps between them.
func cut(ctx context.Context, conn *pg.Conn, t *chunker.Table, bytes int64) (chunks []chunker.Chunk, of int, err error) {
	n := t.Bytes / max(1, bytes)
	if n <= mostPieces || t.Pages < 2*mostPieces {
		chunks, err = chunker.Cut(ctx, conn, t, chunker.Limits{Bytes: max(bytes, t.Bytes/mostPieces)})
		return chunks, len(chunks), err
	}
	chunks = make([]chunker.Chunk, mostPieces)
	for i := range chunks {
		first := t.Pages * int64(i) / mostPieces
		chunks[i] = chunker.Chunk{Table: t.Ordinal, Ordinal: i, Kind: chunker.Block, First: first, Last: first + max(1, t.Pages/n)}
	}
	return chunks, int(n), nil
}

// spread is the rank of chunk i of n: steps of the golden ratio visit all places before any twice.
func spread(i, n int) int {
	step := max(1, int(math.Round(float64(n)*0.6180339887)))
	for gcd(step, n) != 1 {
		step++
	}
	return i * step % n
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// skip reports an error of a table that a measurement may leave out.
func skip(err error) bool {
	switch pg.State(err) {
	case "42501", "55P03", "42P01", "57014":
		return true
	}
	return false
}

func (p *pieces) next() (piece, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.round && p.taken == len(p.list) {
		p.taken = 0
	}
	if p.taken == len(p.list) {
		return piece{}, false
	}
	p.taken++
	return p.list[p.taken-1], true
}
