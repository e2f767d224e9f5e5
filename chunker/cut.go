package chunker

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"sort"
	"strconv"

	"replicator/replicator/pg"
)

// DefaultBytes is the size that a chunk aims at: small enough that a crash repeats seconds, not
// minutes, and that no snapshot is held for long; large enough that a commit a chunk costs nothing.
const DefaultBytes = 64 << 20

// minCorrelation is how well the heap must follow the key before key ranges are worth it: a range
// of a key that lies scattered reads the whole heap for every chunk.
const minCorrelation = 0.9

// samplesPerChunk bounds the sample that key bounds are taken from.
const samplesPerChunk = 24

// Limits says how tables are cut.
type Limits struct {
	Bytes int64 // per chunk; 0 is DefaultBytes
	Text  bool  // the change stream carries text, see [Ordered]
}

// Cut makes the chunks of t. It reads a sample of the key from the source and nothing else, under no
// lasting snapshot: bounds need not be exact, only in order.
func Cut(ctx context.Context, conn *pg.Conn, t *Table, lim Limits) ([]Chunk, error) {
	n := count(t, lim)
	if n < 2 {
		return CutUnderOne(t, lim), nil
	}
	if t.Identity == IdentityKey && Ordered(t.Columns[t.Column(t.Key[0])].OID, lim.Text) {
		bounds, err := keyBounds(ctx, conn, t, n)
		if err != nil {
			return nil, fmt.Errorf("sample key of %s: %w", t, err)
		}
		if bounds != nil {
			return ranges(t, bounds), nil
		}
	}
	return blocks(t, n), nil
}

// CutUnderOne makes the chunks of a table that is read under one snapshot, whatever its key: so its
// changes can be judged without a look at their rows.
func CutUnderOne(t *Table, lim Limits) []Chunk {
	if n := count(t, lim); n > 1 {
		return blocks(t, n)
	}
	return []Chunk{{Table: t.Ordinal, Kind: Whole}}
}

// count is how many chunks a table of that size makes.
func count(t *Table, lim Limits) int {
	if lim.Bytes == 0 {
		lim.Bytes = DefaultBytes
	}
	if t.Pages < 2 {
		return 1
	}
	return max(1, int((t.Bytes+lim.Bytes/2)/lim.Bytes))
}

// ranges makes one chunk more than there are bounds, the first and the last open-ended, so that
// rows inserted later have a chunk as well.
func ranges(t *Table, bounds []Bound) []Chunk {
	chunks := make([]Chunk, len(bounds)+1)
	for i := range chunks {
		chunks[i] = Chunk{Table: t.Ordinal, Ordinal: i, Kind: Range}
		if i > 0 {
			chunks[i].Lo = &bounds[i-1]
		}
		if i < len(bounds) {
			chunks[i].Hi = &bounds[i]
		}
	}
	return chunks
}

// blocks cuts by heap blocks, the last range open-ended.
func blocks(t *Table, n int) []Chunk {
	if int64(n) > t.Pages {
		n = int(t.Pages)
	}
	chunks := make([]Chunk, n)
	for i := range chunks {
		chunks[i] = Chunk{Table: t.Ordinal, Ordinal: i, Kind: Block,
			First: t.Pages * int64(i) / int64(n), Last: t.Pages * int64(i+1) / int64(n)}
	}
	chunks[n-1].Last = 0
	return chunks
}

// sample is one row's key as the heap gave it.
type sample struct {
	key string // sort key
	Bound
}

// keyBounds takes n-1 bounds from a sample of whole pages, or nil where the heap does not follow
// the key or the sample is too poor to say.
func keyBounds(ctx context.Context, conn *pg.Conn, t *Table, n int) ([]Bound, error) {
	samples, err := sampleKeys(ctx, conn, t, n)
	if err != nil {
		return nil, err
	}
	if len(samples) < n || math.Abs(correlation(samples)) < minCorrelation {
		return nil, nil
	}
	sort.Slice(samples, func(i, j int) bool { return samples[i].key < samples[j].key })
	var bounds []Bound
	last := samples[0].key
	for i := 1; i < n; i++ {
		s := samples[len(samples)*i/n]
		if s.key > last {
			bounds = append(bounds, s.Bound)
			last = s.key
		}
	}
	return bounds, nil
}

// sampleKeys reads the leading key column of a few pages, in heap order.
func sampleKeys(ctx context.Context, conn *pg.Conn, t *Table, n int) ([]sample, error) {
	col := t.Columns[t.Column(t.Key[0])]
	key := pg.Ident(col.Name)
	rowsPerPage := max(1, float64(t.Rows)/float64(t.Pages))
	pages := math.Max(200, float64(n*samplesPerChunk)/rowsPerPage)
	percent := math.Min(100, 100*pages/float64(t.Pages))
	rows, err := conn.Query(ctx, fmt.Sprintf(
		"SELECT %s::text, encode(%s(%s), 'hex') FROM ONLY %s TABLESAMPLE SYSTEM (%s) REPEATABLE (1)",
		key, sendFunction(col.OID), key, t.Qualified(), strconv.FormatFloat(percent, 'f', 6, 64)))
	if err != nil {
		return nil, err
	}
	samples := make([]sample, len(rows))
	for i, r := range rows {
		wire, err := hex.DecodeString(r[1])
		if err != nil {
			return nil, err
		}
		k, err := sortKey(col.OID, wire)
		if err != nil {
			return nil, err
		}
		samples[i] = sample{key: k, Bound: Bound{Text: r[0], Wire: r[1]}}
	}
	return samples, nil
}

// correlation is Spearman's: of the order in the heap and the order of the keys, from -1 to 1.
func correlation(heap []sample) float64 {
	n := len(heap)
	if n < 2 {
		return 0
	}
	byKey := make([]int, n)
	for i := range byKey {
		byKey[i] = i
	}
	sort.SliceStable(byKey, func(a, b int) bool { return heap[byKey[a]].key < heap[byKey[b]].key })
	var sum float64
	for rank, i := range byKey {
		d := float64(rank - i)
		sum += d * d
	}
	m := float64(n)
	return 1 - 6*sum/(m*(m*m-1))
}
