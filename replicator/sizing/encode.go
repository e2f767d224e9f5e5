package sizing

import (
	"context"
	"slices"
	"time"

	"replicator/checksum/column"
	"replicator/checksum/frame"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/source"
)

const (
	mostPacked  = 24      // tables whose rows are packed, the largest
	packedBytes = 4 << 20 // of rows of each: one frame as it crosses a link
)

// levels are the ways in which the link can pack rows.
var levels = []frame.Level{frame.Off, frame.Fastest, frame.Default}

// packTables packs samples of the largest tables at every level, on one processor, as long as there is time.
func (o *Options) packTables(ctx context.Context, c *catalog, s *Source, span time.Duration) error {
	began := time.Now()
	var tables []*chunker.Table
	for _, k := range kinds {
		tables = append(tables, c.kinds[k]...)
	}
	slices.SortStableFunc(tables, func(a, b *chunker.Table) int { return int(max(-1, min(1, b.Bytes-a.Bytes))) })
	for i, t := range tables {
		if i >= mostPacked || time.Since(began) > span {
			break
		}
		rows, err := c.rows(ctx, t, packedBytes)
		if skip(err) || err == nil && len(rows) == 0 {
			continue
		}
		if err != nil {
			return fault.New(fault.Source, err, "")
		}
		s.Packing = append(s.Packing, packing(t, rows))
	}
	s.Overall = overall(s.Packing)
	return nil
}

// rows reads about so many bytes of a table, whole rows from its middle.
func (c *catalog) rows(ctx context.Context, t *chunker.Table, most int64) ([]byte, error) {
	sample, err := sampleOf(ctx, c.conn, []*chunker.Table{t}, most)
	if err != nil {
		return nil, err
	}
	p, ok := sample.next()
	if !ok {
		return nil, nil
	}
	w := &headWriter{most: int(most)}
	_, err = chunker.Read(ctx, c.conn, t, p.chunk, "", source.LockTimeout, w)
	return w.rows, err
}

// headWriter keeps whole rows, as COPY gives them, up to a size.
type headWriter struct {
	rows []byte
	most int
	full bool
}

func (w *headWriter) Write(p []byte) (int, error) {
	if w.full = w.full || len(w.rows) > 0 && len(w.rows)+len(p) > w.most; !w.full {
		w.rows = append(w.rows, p...)
	}
	return len(p), nil
}

// packing packs rows at every level.
func packing(t *chunker.Table, rows []byte) Packing {
	p := Packing{Table: t.String(), Kind: kindOf(t), Bytes: t.Bytes, Sample: int64(len(rows))}
	var layout *column.Layout
	if !t.Text {
		layout = column.NewLayout()
	}
	packer := frame.NewPacker()
	out := packer.Seal(nil, frame.Header{Kind: frame.Rows}, rows, frame.Fastest, layout) // learns the layout, and warms up
	for _, level := range levels {
		began := time.Now()
		n := 0
		for n == 0 || time.Since(began) < packSpan {
			out = packer.Seal(out[:0], frame.Header{Kind: frame.Rows}, rows, level, layout)
			n++
		}
		p.Levels = append(p.Levels, LevelRate{Level: level.String(), Ratio: float64(len(rows)) / float64(len(out)),
			Rate: float64(n) * float64(len(rows)) / time.Since(began).Seconds()})
	}
	return p
}

// packSpan is how long one level is tried at least.
const packSpan = 30 * time.Millisecond

// overall is what all rows pack to: each table counts by its size.
func overall(list []Packing) []LevelRate {
	if len(list) == 0 {
		return nil
	}
	out := make([]LevelRate, len(levels))
	for i := range levels {
		var raw, packed, seconds float64
		for _, p := range list {
			raw += float64(p.Bytes)
			packed += float64(p.Bytes) / p.Levels[i].Ratio
			seconds += float64(p.Bytes) / p.Levels[i].Rate
		}
		out[i] = LevelRate{Level: levels[i].String()}
		if packed > 0 && seconds > 0 {
			out[i].Ratio, out[i].Rate = raw/packed, raw/seconds
		}
	}
	return out
}
