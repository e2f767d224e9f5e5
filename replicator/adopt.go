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
	"replicator/wal"
)

// adopter brings tables of which the target holds rows already to what the source shows under one
// snapshot a table: all chunks of a table share it, so that no unique index that stands there is in the
// way. A receipt is written only for what was compared and found equal, or copied.
//
//	equal                  receipts
//	a few rows differ      those rows go over, then the table is compared again
//	more, cut by key       the chunks that differ are copied
//	more                   the table is copied
type adopter struct {
	*job
	v      *verifier
	source *lender
	copied func(*chunker.Table)
}

// adoptTables does for a job that re-uses what copyTables does for others.
func (j *job) adoptTables(ctx context.Context, tables []*chunker.Table, copied func(*chunker.Table)) error {
	v, err := j.newVerifier()
	if err != nil {
		return err
	}
	a := &adopter{job: j, v: v, source: newLender(j.source, j.o.Jobs), copied: copied}
	defer a.source.close()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(j.o.Jobs)
	for _, t := range tables {
		if !j.pending(t) {
			copied(t)
			continue
		}
		if t.Bytes < comparedAlone {
			g.Go(func() error { return a.table(gctx, t, 1) })
		} else if err = a.table(gctx, t, j.o.Jobs); err != nil {
			break
		}
	}
	if werr := g.Wait(); werr != nil {
		return werr // the other's end may only be its consequence
	}
	return err
}

// comparedAlone is the size from which a table is worth all sessions; smaller ones go side by side.
const comparedAlone = 64 << 20

func (a *adopter) table(ctx context.Context, t *chunker.Table, jobs int) error {
	var rest *copier
	err := a.persist(ctx, "compare "+t.String(), func() (err error) {
		rest, err = a.compared(ctx, t, jobs)
		return err
	})
	if err != nil {
		return err
	}
	if rest == nil {
		a.copied(t)
		return nil
	}
	return rest.run(ctx)
}

// mendings is how often the rows of a table are mended before it is copied.
const mendings = 3

// compared brings a table as far as comparing and mending do. What has to be copied is left for the
// copier that it returns, which has the snapshot; nil says that all of the table counts.
func (a *adopter) compared(ctx context.Context, t *chunker.Table, jobs int) (rest *copier, err error) {
	if err := a.discount(t); err != nil {
		return nil, err
	}
	tc := newTableCopy(t, a.chunks[t.Ordinal], a.received[t.Ordinal])
	tc.shared = true
	defer func() {
		if rest == nil {
			tc.release()
		}
	}()
	if _, err := tc.keep(ctx, a.job.source); err != nil {
		return nil, err
	}
	if err := a.flushed(ctx); err != nil {
		return nil, err
	}
	c := &comparison{adopter: a, t: t, tc: tc, jobs: jobs}
	for try := 1; ; try++ {
		rows, err := c.look(ctx, try <= mendings)
		if err != nil {
			return nil, err
		}
		switch {
		case !slices.Contains(c.equal, false):
			a.log.Info("table stands on the target", "table", t.String(), "rows", c.rows(), "mended", c.mended)
			return nil, a.count(ctx, c)
		case rows == nil:
			return c.rest(ctx)
		}
		if err := c.mend(ctx, rows); err != nil {
			return nil, err
		}
	}
}

// discount forgets the receipts that a killed run has got for a part of the table: their snapshot is gone.
func (a *adopter) discount(t *chunker.Table) error {
	if err := a.store.DeleteReceipts(t.Ordinal); err != nil {
		return err
	}
	clear(a.received[t.Ordinal])
	a.tracker.Restart(t.Ordinal)
	return nil
}

// flushed waits until the source has on disk what the snapshot shows.
func (a *adopter) flushed(ctx context.Context) error {
	conn, err := a.source.take(ctx, "flush")
	if err != nil {
		return err
	}
	defer conn.giveBack()
	v, err := conn.Value(ctx, "SELECT pg_current_wal_insert_lsn()")
	if err != nil {
		return err
	}
	lsn, err := wal.ParseLSN(v)
	if err != nil {
		return err
	}
	return chunker.AwaitFlush(ctx, conn.Conn, lsn)
}

// count has the target count the chunks that are equal, and only those.
func (a *adopter) count(ctx context.Context, c *comparison) error {
	var receipts []chunker.Receipt
	var clear []chunker.Chunk
	for i, equal := range c.equal {
		if !equal {
			clear = append(clear, a.chunks[c.t.Ordinal][i])
			continue
		}
		receipts = append(receipts, chunker.Receipt{
			Table: c.t.Ordinal, Chunk: i, Rows: c.sums[i].Rows, Bytes: c.sums[i].Bytes, Digest: c.sums[i].String(), Snapshot: c.tc.keeper.Snapshot,
		})
	}
	if err := a.end.Adopt(ctx, c.t, receipts, clear); err != nil {
		return err
	}
	for i := range receipts {
		if err := a.receive(&receipts[i], false); err != nil {
			return err
		}
	}
	return nil
}

// comparison is of one table under the snapshot that tc keeps.
type comparison struct {
	*adopter
	t    *chunker.Table
	tc   *tableCopy
	jobs int

	equal  []bool         // by chunk; all of them or none where they cannot be told apart on the target
	sums   []checksum.Set // by chunk, on the source; the first has all where they cannot be told apart
	mended int            // rows
}

func (c *comparison) rows() (n int64) {
	for i := range c.sums {
		n += c.sums[i].Rows
	}
	return n
}

func (c *comparison) src() *chunker.Scan {
	return &chunker.Scan{
		Table: c.t, Text: c.v.text, Jobs: c.jobs, Snapshot: c.tc.keeper.Export, LockTimeout: source.LockTimeout, Secret: c.v.secret,
		Connect: func(ctx context.Context) (*pg.Conn, error) { return c.job.source.Connect(ctx, "compare") },
	}
}

// look compares. It returns the rows that differ where there are few of them and the caller means to
// mend them.
func (c *comparison) look(ctx context.Context, mend bool) ([]checksum.KeyHash, error) {
	view, err := c.end.View(ctx, []*chunker.Table{c.t})
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close(context.WithoutCancel(ctx)) }()
	tgt := view.Side(c.t, c.v.text, c.jobs, c.v.secret)
	chunks := c.chunks[c.t.Ordinal]
	c.equal, c.sums = make([]bool, len(chunks)), make([]checksum.Set, len(chunks))
	if chunks[0].Kind == chunker.Range {
		there, err := c.byChunk(ctx, tgt, chunks)
		if err != nil || there.Rows == 0 || !mend || !slices.Contains(c.equal, false) {
			return nil, err
		}
	}
	source, tgtSum, err := c.fingerprints(ctx, tgt)
	if err != nil {
		return nil, err
	}
	if chunks[0].Kind != chunker.Range {
		c.sums[0] = source.Total()
		for i := range c.equal {
			c.equal[i] = source.Equal(tgtSum)
		}
	}
	if source.Equal(tgtSum) || !mend {
		return nil, nil
	}
	return c.few(ctx, tgt, source, tgtSum)
}

// byChunk compares chunk by chunk, and returns the target's sum of all.
func (c *comparison) byChunk(ctx context.Context, tgt target.Side, chunks []chunker.Chunk) (all checksum.Set, err error) {
	var there []checksum.Set
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { c.sums, err = c.src().ByChunk(gctx, chunks); return err })
	g.Go(func() (err error) { there, err = tgt.ByChunk(gctx, chunks); return err })
	if err := g.Wait(); err != nil {
		return all, err
	}
	if len(there) != len(chunks) {
		return all, fault.New(fault.Unexpected, fmt.Errorf("the target end summed up %d of %d chunks of %s", len(there), len(chunks), c.t), "")
	}
	for i := range chunks {
		c.equal[i] = c.sums[i].Equal(there[i])
		all.Merge(there[i])
	}
	return all, nil
}

func (c *comparison) fingerprints(ctx context.Context, tgt target.Side) (source, there *checksum.Fingerprint, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { source, err = c.src().Fingerprint(gctx, nil); return err })
	g.Go(func() (err error) { there, err = tgt.Fingerprint(gctx, nil); return err })
	return source, there, g.Wait()
}

// mostMended is how many rows are looked at one by one: as many hashes are held at once, and beyond it
// copying chunks is no slower.
const mostMended = 200_000

// few is the rows that differ, or nil where they are too many to be mended: more than half of the table,
// or so many that they cannot be told from others without reading the tables again and again.
func (c *comparison) few(ctx context.Context, tgt target.Side, source, there *checksum.Fingerprint) ([]checksum.KeyHash, error) {
	d, err := source.Diff(there)
	if err != nil {
		return nil, err
	}
	rows, all := max(source.Rows(d), there.Rows(d)), max(source.Total().Rows, there.Total().Rows)
	if there.Total().Rows == 0 || rows > max(all/2, mostMended) {
		return nil, nil
	}
	n, err := chunker.Narrow(ctx, c.src(), tgt, nil, source, there, mostMended)
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
