package replicator

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/target"
	"replicator/replicator/verify"
)

// comparison is of one table, under a snapshot of the source.
type comparison struct {
	*adopter
	t        *chunker.Table
	still    *still
	sessions int // that read a side

	equal  []bool         // by chunk; all of them or none where they cannot be told apart on the target
	sums   []checksum.Set // by chunk, on the source; the first has all where they cannot be told apart
	mended int            // rows
}

// mendings is how often the rows of a table are mended before it is copied.
const mendings = 3

// settle compares, mends the rows that differ where they are few, and compares again. It reports whether
// all of the table counts. view is of the target before anything was mended.
func (c *comparison) settle(ctx context.Context, view target.View) (whole bool, err error) {
	for range mendings {
		rows, err := c.look(ctx, view.Side(c.t, c.v.text, c.sessions, c.v.secret))
		if err != nil {
			return false, err
		}
		if !slices.Contains(c.equal, false) {
			c.log.Info("table stands on the target", "table", c.t.String(), "rows", c.rows(), "mended", c.mended)
			return true, c.count(ctx)
		}
		if rows == nil {
			return false, nil
		}
		if err := c.mend(ctx, view, rows); err != nil {
			return false, err
		}
		after, err := c.end.View(ctx, []*chunker.Table{c.t})
		if err != nil {
			return false, err
		}
		defer func() { _ = after.Close(context.WithoutCancel(ctx)) }()
		view = after
	}
	return false, nil
}

// look compares. It returns the rows that differ where they are few.
func (c *comparison) look(ctx context.Context, tgt target.Side) ([]checksum.KeyHash, error) {
	byChunk := c.chunks[c.t.Ordinal][0].Kind == chunker.Range
	if byChunk {
		if err := c.lookByChunk(ctx, tgt); err != nil || !slices.Contains(c.equal, false) {
			return nil, err
		}
	}
	here, there, err := verify.Fingerprints(ctx, c.src(), tgt, nil)
	if err != nil {
		return nil, err
	}
	if !byChunk {
		chunks := len(c.chunks[c.t.Ordinal])
		c.equal, c.sums = slices.Repeat([]bool{here.Equal(there)}, chunks), make([]checksum.Set, chunks)
		c.sums[0] = here.Total()
	}
	if here.Equal(there) {
		return nil, nil
	}
	return c.few(ctx, tgt, here, there)
}

// lookByChunk compares chunk by chunk.
func (c *comparison) lookByChunk(ctx context.Context, tgt target.Side) error {
	chunks := c.chunks[c.t.Ordinal]
	var there []checksum.Set
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { c.sums, err = c.src().ByChunk(gctx, chunks); return err })
	g.Go(func() (err error) { there, err = tgt.ByChunk(gctx, chunks); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	if len(there) != len(chunks) {
		return fault.New(fault.Unexpected, fmt.Errorf("the target end summed up %d of %d chunks of %s", len(there), len(chunks), c.t), "")
	}
	c.equal = make([]bool, len(chunks))
	for i := range chunks {
		c.equal[i] = c.sums[i].Equal(there[i])
	}
	return nil
}

// src is the table on the source.
func (c *comparison) src() *chunker.Scan {
	return &chunker.Scan{
		Table: c.t, Text: c.v.text, Jobs: c.sessions, Snapshot: c.still.export, LockTimeout: source.LockTimeout, Secret: c.v.secret,
		Connect: func(ctx context.Context) (*pg.Conn, error) { return c.readers.scan(ctx, "compare") }, Release: c.readers.unlent,
	}
}

// mostMended is how many rows are looked at one by one: as many hashes are held at once, and beyond it
// copying chunks is no slower.
const mostMended = 200_000

// few is the rows that differ, or nil where they are too many to be mended: more than half of the table,
// or so many that they cannot be told from others without reading the tables again and again.
func (c *comparison) few(ctx context.Context, tgt target.Side, here, there *checksum.Fingerprint) ([]checksum.KeyHash, error) {
	d, err := here.Diff(there)
	if err != nil {
		return nil, err
	}
	rows, all := max(here.Rows(d), there.Rows(d)), max(here.Total().Rows, there.Total().Rows)
	if there.Total().Rows == 0 || rows > max(all/2, mostMended) {
		return nil, nil
	}
	n, err := chunker.Narrow(ctx, c.src(), tgt, nil, here, there, mostMended)
	if err != nil || !n.Complete || int64(len(n.Differences)) > all/2 {
		return nil, err
	}
	hashes := make([]checksum.KeyHash, len(n.Differences))
	for i := range hashes {
		hashes[i] = n.Differences[i].Key
		if n.Differences[i].Source+n.Differences[i].Target >= chunker.CopiesLocated {
			return nil, nil // too many copies of one row to be told apart
		}
	}
	return hashes, nil
}

// count has the target count the chunks that are equal, and only those; the rows of the others go.
func (c *comparison) count(ctx context.Context) error {
	var receipts []chunker.Receipt
	var clear []chunker.Chunk
	for i, equal := range c.equal {
		if !equal {
			clear = append(clear, c.chunks[c.t.Ordinal][i])
			continue
		}
		receipts = append(receipts, chunker.Receipt{
			Table: c.t.Ordinal, Chunk: i, Rows: c.sums[i].Rows, Bytes: c.sums[i].Bytes, Digest: c.sums[i].String(), Snapshot: c.still.snapshot,
		})
	}
	if err := c.end.Adopt(ctx, c.t, receipts, clear); err != nil {
		return err
	}
	for i := range receipts {
		if err := c.receive(&receipts[i], false); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) rows() (n int64) {
	for i := range c.sums {
		n += c.sums[i].Rows
	}
	return n
}

// makeRoom counts the chunks that are equal, if they can be told apart, takes the rows of the others
// away, and leaves those to tc.
func (c *comparison) makeRoom(ctx context.Context, tc *tableCopy) error {
	c.equal = make([]bool, len(tc.all))
	if tc.all[0].Kind == chunker.Range {
		view, err := c.end.View(ctx, []*chunker.Table{c.t})
		if err != nil {
			return err
		}
		err = c.lookByChunk(ctx, view.Side(c.t, c.v.text, c.sessions, c.v.secret))
		_ = view.Close(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
	}
	clear := func() error { return c.end.Reset(ctx, c.t) }
	if slices.Contains(c.equal, true) {
		clear = func() error { return c.count(ctx) }
	}
	if err := clear(); err != nil {
		return err
	}
	tc.pending = nil
	for i := range tc.all {
		if !c.equal[i] {
			tc.pending = append(tc.pending, &tc.all[i])
		}
	}
	c.log.Info("table differs: chunks are copied", "table", c.t.String(), "chunks", len(tc.pending), "of", len(tc.all))
	return nil
}
