package sizing

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"replicator/chunker"
	"replicator/replicator/fault"
)

// Shares of the time that a measurement of the path has. What is left is for tables and removal.
const (
	copyShare    = 0.30
	indexShare   = 0.40
	besideShare  = 0.15
	compareShare = 0.10
)

// Tables that take part in a sample at most: those that hold the bytes, and enough small ones to know
// what a small one costs.
const (
	mostLarge = 300
	mostSmall = 120
)

// trial is a measurement of the path under way.
type trial struct {
	o      *Options
	c      *catalog
	s      *scratch
	p      *Path
	m      *mover
	tables map[uint32]*scratchTable
	kinds  map[Kind][]*chunker.Table // those that take part
	pieces map[Kind]*pieces
	rates  map[Kind]float64
	wired  map[Kind]bool // those that the wire held up
	chunk  float64       // seconds of one, beyond its bytes
	built  *indexCosts
	slices []float64 // speeds of parts of the copy, relative to its mean
}

// measurePath moves samples of the tables through the whole pipeline.
func (o *Options) measurePath(ctx context.Context, c *catalog, s *scratch, r *Report, span time.Duration) error {
	t := &trial{o: o, c: c, s: s, p: &Path{}, kinds: map[Kind][]*chunker.Table{}, pieces: map[Kind]*pieces{},
		rates: map[Kind]float64{}, wired: map[Kind]bool{}}
	r.Path = t.p
	clock := startClock()
	o.Tell("the path: schema")
	if err := t.prepare(ctx); err != nil {
		return err
	}
	defer t.m.close()
	part := func(share float64) time.Duration { return time.Duration(share * float64(span)) }
	if err := t.copyKinds(ctx, part(copyShare)); err != nil {
		return err
	}
	t.weigh(r)
	o.Tell("the path: indexes")
	if err := t.buildIndexes(ctx, r, part(indexShare)); err != nil {
		return err
	}
	o.Tell("the path: rows and indexes at once")
	if err := t.beside(ctx, part(besideShare)); err != nil {
		return err
	}
	o.Tell("the path: comparing")
	if err := t.compare(ctx, r, part(compareShare)); err != nil {
		return err
	}
	t.p.CPU = clock.busy()
	if err := t.work(ctx, r); err != nil {
		return err
	}
	return t.finish(ctx, r)
}

// prepare does what a seed does before rows come, as far as nothing is made by it, and times that.
func (t *trial) prepare(ctx context.Context) error {
	began := time.Now()
	for _, k := range kinds {
		most := mostLarge
		if k == Small {
			most = mostSmall
		}
		t.kinds[k] = evenly(t.c.kinds[k], most)
	}
	var all []*chunker.Table
	for _, k := range kinds {
		all = append(all, t.kinds[k]...)
	}
	var err error
	if t.tables, err = t.o.scratchTables(ctx, t.c, t.s, all); err != nil {
		return err
	}
	t.m = newMover(t.c.db, t.s.End, t.o.Jobs, t.tables)
	// Twice as many tables as sampled were made; a seed makes all of them once, and reads the catalog.
	t.p.Prepared = time.Since(began).Seconds()
	return nil
}

// evenly takes at most n of a list, spread over it.
func evenly[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	out := make([]T, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}

// Sizes of a sample's chunks: so many of them fit into the time that a kind has.
const (
	chunksPerKind = 48
	leastPiece    = 256 << 10
	mostPiece     = 16 << 20
	firstRate     = 16 << 20 // bytes a second, until something is known
)

// copyKinds moves rows of each kind in turn, small tables first: they tell what a chunk costs, and how
// fast the path is at all.
func (t *trial) copyKinds(ctx context.Context, span time.Duration) error {
	rate := float64(firstRate)
	var weight float64
	for _, k := range kinds {
		weight += kindWeight(t.kinds[k])
	}
	for _, k := range slices.Backward(kinds) { // Small is the last of the list
		tables := t.kinds[k]
		if len(tables) == 0 {
			continue
		}
		t.o.Tell(fmt.Sprintf("the path: %s tables", k))
		part := time.Duration(kindWeight(tables) / weight * float64(span))
		size := int64(min(mostPiece, max(leastPiece, rate*part.Seconds()/chunksPerKind)))
		got, err := t.copyKind(ctx, k, tables, size, part)
		if err != nil {
			return err
		}
		if r := got.rate(); r > 0 && k != Small {
			rate = r
		}
	}
	return nil
}

// kindWeight is how much of the time a kind is worth: its bytes, but something for each.
func kindWeight(tables []*chunker.Table) float64 {
	if len(tables) == 0 {
		return 0
	}
	return math.Sqrt(float64(bytesOf(tables))) + 1
}

func (t *trial) copyKind(ctx context.Context, k Kind, tables []*chunker.Table, size int64, span time.Duration) (moved, error) {
	sample, err := sampleOf(ctx, t.c.conn, tables, size)
	if err != nil {
		return moved{}, fault.New(fault.Source, fmt.Errorf("sample the source: %w", err), "")
	}
	t.pieces[k] = sample
	until := time.Now().Add(span)
	got, err := t.m.move(ctx, sample.next, 0, span*3/2+2*time.Second, func() bool { return time.Now().After(until) })
	if err != nil {
		return got, err
	}
	if t.s.remote != nil {
		t.wire()
	}
	t.p.Kinds = append(t.p.Kinds, KindPath{Kind: k, Tables: len(tables), Chunks: got.chunks, Bytes: got.bytes, Packed: t.overLink(got.packed), Rate: got.rate()})
	t.p.Bytes += got.bytes
	t.p.Seconds += got.seconds
	if mean := got.rate() * got.seconds / slicesOf; mean > 0 {
		for _, v := range got.slices {
			t.slices = append(t.slices, v/mean)
		}
	}
	return got, nil
}

func over(n, rate float64) float64 {
	if n <= 0 || rate <= 0 {
		return 0
	}
	return n / rate
}

// overLink is n where rows go over a link, and 0 where the frames are opened where they were made.
func (t *trial) overLink(n float64) float64 {
	if t.s.remote == nil {
		return 0
	}
	return n
}

// wire keeps what the link says of itself: it says so once a second.
func (t *trial) wire() {
	l := t.s.seen()
	if l.WireRate > t.p.Wire {
		t.p.Wire, t.p.Level = l.WireRate, l.Level
	}
	if l.Bottleneck != "" && l.RawRate > 0 && !strings.HasPrefix(l.Bottleneck, "nothing") {
		t.p.Stage = l.Bottleneck
	}
}

// byBytes are the scratch tables, those with most rows in them first.
func (t *trial) byBytes() []*scratchTable {
	var list []*scratchTable
	for _, st := range t.tables {
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b *scratchTable) int {
		switch {
		case a.bytes[0] > b.bytes[0]:
			return -1
		case a.bytes[0] < b.bytes[0]:
			return 1
		}
		return a.Ordinal - b.Ordinal
	})
	return list
}
