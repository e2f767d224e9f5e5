package replicator

import (
	"bytes"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/target"
)

// Bounds of what goes over at once while rows are mended.
const (
	removedAtOnce = 10_000
	writtenAtOnce = 500
)

// mend takes away the rows that differ, and then writes those of the source: no unique value that moved
// between two rows is in the way. Killed in between, rows are missing in a table that does not count.
func (c *comparison) mend(ctx context.Context, view target.View, rows []checksum.KeyHash) error {
	var here, there []chunker.Located
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { here, err = c.src().Locate(gctx, rows); return err })
	g.Go(func() (err error) {
		there, err = view.Side(c.t, c.v.text, c.sessions, c.v.secret).Locate(gctx, rows)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	for batch := range slices.Chunk(ctids(there), removedAtOnce) {
		if err := c.end.Mend(ctx, c.t, batch, nil); err != nil {
			return err
		}
		c.o.Hook("engine: rows removed")
	}
	for batch := range slices.Chunk(ctids(here), writtenAtOnce) {
		data, err := c.still.rows(ctx, c.t, batch)
		if err != nil {
			return err
		}
		if err := c.end.Mend(ctx, c.t, nil, data); err != nil {
			return err
		}
	}
	c.mended += len(rows)
	return nil
}

// rows are rows of the source in the bytes of COPY.
func (s *still) rows(ctx context.Context, t *chunker.Table, ctids []string) ([]byte, error) {
	s.copying.Lock()
	defer s.copying.Unlock()
	var data bytes.Buffer
	_, err := s.conn.CopyTo(ctx, &data, chunker.CopyRows(t, ctids))
	return data.Bytes(), err
}
