package replicator

import (
	"bytes"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
)

// Bounds of what goes over at once while rows are mended.
const (
	removedAtOnce = 10_000
	writtenAtOnce = 500
)

// mend takes away the rows that differ, and then writes those of the source: no unique value that moved
// between two rows is in the way. Killed in between, rows are missing in a table that does not count.
func (c *comparison) mend(ctx context.Context, rows []checksum.KeyHash) error {
	here, there, err := c.locate(ctx, rows)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(ctids(there), removedAtOnce) {
		if err := c.end.Mend(ctx, c.t, batch, nil); err != nil {
			return err
		}
		c.o.Hook("engine: rows removed")
	}
	for batch := range slices.Chunk(ctids(here), writtenAtOnce) {
		var data bytes.Buffer
		if _, err := c.tc.keeperConn.CopyTo(ctx, &data, chunker.CopyRows(c.t, batch)); err != nil {
			return err
		}
		if err := c.end.Mend(ctx, c.t, nil, data.Bytes()); err != nil {
			return err
		}
	}
	c.mended += len(rows)
	return nil
}

// locate finds the rows on both sides.
func (c *comparison) locate(ctx context.Context, rows []checksum.KeyHash) (here, there []chunker.Located, err error) {
	view, err := c.end.View(ctx, []*chunker.Table{c.t})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = view.Close(context.WithoutCancel(ctx)) }()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { here, err = c.src().Locate(gctx, rows); return err })
	g.Go(func() (err error) {
		there, err = view.Side(c.t, c.v.text, c.jobs, c.v.secret).Locate(gctx, rows)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	return here, there, few(here, there)
}

// rest counts the chunks that are equal, takes the rows of the others away, and returns who copies them.
func (c *comparison) rest(ctx context.Context) (*copier, error) {
	err := error(nil)
	if slices.Contains(c.equal, true) {
		err = c.count(ctx, c)
	} else {
		err = c.end.Reset(ctx, c.t)
	}
	if err != nil {
		return nil, err
	}
	c.tc.pending = nil
	for i := range c.tc.all {
		if !c.equal[i] {
			c.tc.pending = append(c.tc.pending, &c.tc.all[i])
		}
	}
	c.log.Info("table differs: chunks are copied", "table", c.t.String(), "chunks", len(c.tc.pending), "of", len(c.equal), "mended", c.mended)
	return &copier{j: c.job, source: c.adopter.source, copied: c.copied, queue: []*tableCopy{c.tc}}, nil
}
