package replicator

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/link/pace"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/replicator/target"
)

// copier moves chunks. Its workers share one list of tables and take chunks from the first table
// that has any left, so that few tables are under way at once and a snapshot kept for a whole table
// is kept for as short as can be.
type copier struct {
	j      *job
	source *lender
	limit  *pace.Limiter          // of what is read; nil: none
	copied func(t *chunker.Table) // called once a table is complete; must not block

	mu    sync.Mutex
	queue []*tableCopy
}

// copyTables moves every chunk of the tables that has no receipt yet, while the source is at work.
func (j *job) copyTables(ctx context.Context, tables []*chunker.Table, copied func(*chunker.Table)) error {
	return j.copyAt(ctx, j.reading(), tables, copied)
}

// copyAt is copyTables at a limit; nil: as fast as it goes.
func (j *job) copyAt(ctx context.Context, limit *pace.Limiter, tables []*chunker.Table, copied func(*chunker.Table)) error {
	c := &copier{j: j, source: newLender(j.source, j.o.Jobs), limit: limit, copied: copied}
	defer c.source.close()
	for _, t := range tables {
		tc, err := c.prepare(ctx, t)
		if err != nil {
			return err
		}
		if len(tc.pending) > 0 {
			c.queue = append(c.queue, tc)
		} else {
			copied(t)
		}
	}
	return c.run(ctx)
}

// run moves the chunks of the list.
func (c *copier) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range c.j.o.Jobs * workersPerSession {
		g.Go(func() error { return c.work(ctx) })
	}
	err := g.Wait()
	for _, tc := range c.queue {
		tc.release()
	}
	return err
}

// prepare lists what is left of a table. One that was read in part under a snapshot that is gone
// starts over.
func (c *copier) prepare(ctx context.Context, t *chunker.Table) (*tableCopy, error) {
	tc := newTableCopy(t, c.j.chunks[t.Ordinal], c.j.received[t.Ordinal])
	if !tc.shared || len(tc.pending) == 0 || len(tc.pending) == len(c.j.chunks[t.Ordinal]) {
		return tc, nil
	}
	c.j.log.Info("table starts over: its snapshot is gone", "table", t.String())
	err := c.j.persist(ctx, "start over "+t.String(), func() error { return c.j.startOver(ctx, t) })
	return newTableCopy(t, c.j.chunks[t.Ordinal], c.j.received[t.Ordinal]), err
}

// startOver empties a table on the target and forgets its chunks.
func (j *job) startOver(ctx context.Context, t *chunker.Table) error {
	if err := j.end.Reset(ctx, t); err != nil {
		return err
	}
	if err := j.store.DeleteReceipts(t.Ordinal); err != nil {
		return err
	}
	clear(j.received[t.Ordinal])
	j.tracker.Restart(t.Ordinal)
	return nil
}

// workersPerSession is how many chunks there are under way for each session that reads: one is read
// while the others commit, over a long link in round trips that nobody may wait for. A worker that
// does not read holds a session on the target and a snapshot of nothing.
const workersPerSession = 4

// work is one worker: chunk after chunk. It picks one only when it may read, so that chunks are read
// in the order of the list.
func (c *copier) work(ctx context.Context) error {
	for {
		conn, err := c.source.wait(ctx)
		if err != nil {
			return err
		}
		tc, chunk := c.take()
		if tc == nil {
			conn.giveBack()
			return nil
		}
		again := false
		err = c.j.persist(ctx, fmt.Sprintf("chunk %d of %s", chunk.Ordinal, tc.t), func() (err error) {
			if again {
				if conn, err = c.source.wait(ctx); err != nil {
					return err
				}
			}
			defer conn.giveBack()
			defer func() { again = true }()
			return c.chunk(ctx, conn, tc, chunk, again)
		})
		if err != nil {
			return err
		}
		c.finish(tc)
	}
}

// take hands out the next chunk, or nil when none is left.
func (c *copier) take() (*tableCopy, *chunker.Chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && c.queue[0].over() {
		c.queue = c.queue[1:]
	}
	for _, tc := range c.queue {
		if chunk := tc.take(); chunk != nil {
			return tc, chunk
		}
	}
	return nil, nil
}

// finish releases the snapshot of a table that is complete and tells who waits for it.
func (c *copier) finish(tc *tableCopy) {
	if tc.complete() {
		tc.release()
		c.copied(tc.t)
	}
}

// chunk copies one chunk unless an attempt before, whose outcome is unknown, has. The session on the
// source comes first: nobody waits for one with a snapshot in hand.
func (c *copier) chunk(ctx context.Context, conn *lent, tc *tableCopy, chunk *chunker.Chunk, again bool) error {
	if err := conn.open(ctx, "copy "+tc.t.Name); err != nil {
		return err
	}
	round, err := tc.attempt(func(round int) error {
		export, err := tc.keep(ctx, c.j.source)
		if err != nil {
			return err
		}
		var r *chunker.Receipt
		if again {
			if r, err = c.j.end.Receipt(ctx, tc.t.Ordinal, chunk.Ordinal); err != nil {
				return err
			}
		}
		if r == nil {
			if r, err = c.j.copyChunk(ctx, conn, c.limit, tc.t, chunk, export, false); err != nil {
				return err
			}
		}
		if err := c.j.receive(r, true); err != nil {
			return err
		}
		tc.done(chunk)
		return nil
	})
	if err != nil && tc.shared && tc.snapshotLost(ctx, err) {
		c.j.log.Warn("table starts over: its snapshot was lost", "table", tc.t.String(), "error", err)
		err = c.j.persist(ctx, "start over "+tc.t.String(), func() error {
			return tc.again(round, func() error { return c.j.startOver(ctx, tc.t) })
		})
		if err == nil {
			return errAgain
		}
	}
	return err
}

// show tells status of a receipt; fresh says that its rows came now.
func show(t *status.Tracker, r *chunker.Receipt, fresh bool) {
	t.Chunk(r.Table, r.Rows, r.Bytes, fresh)
	if r.Stood() {
		t.Reused(r.Table)
	}
}

// receive notes a receipt that the target holds.
func (j *job) receive(r *chunker.Receipt, fresh bool) error {
	if err := j.store.PutReceipt(*r); err != nil {
		return err
	}
	j.received[r.Table][r.Chunk] = true
	show(j.tracker, r, fresh)
	j.o.Hook("engine: chunk received")
	return nil
}

// copyChunk reads one chunk and writes it, receipt included. replace takes what the target has in
// its range away first. The session on the source is given back before the commit.
func (j *job) copyChunk(ctx context.Context, conn *lent, limit *pace.Limiter, t *chunker.Table, chunk *chunker.Chunk, export string, replace bool) (*chunker.Receipt, error) {
	w, err := j.end.Chunk(ctx, t, chunk, replace)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	s := target.NewSealer(ctx, w)
	reading, err := chunker.Read(ctx, conn.Conn, t, chunk, export, source.LockTimeout, limit.Writer(ctx, s))
	err = errors.Join(err, s.Close())
	if err != nil {
		return nil, fmt.Errorf("move chunk %d of %s: %w", chunk.Ordinal, t, apply.Unfit(err))
	}
	j.o.Hook("engine: chunk read")
	if err := chunker.AwaitFlush(ctx, conn.Conn, reading.Flush); err != nil {
		return nil, fault.New(fault.Source, err, "")
	}
	conn.giveBack()
	r := &chunker.Receipt{Table: t.Ordinal, Chunk: chunk.Ordinal, Rows: reading.Rows, Bytes: s.Bytes(), Digest: s.Digest(), Snapshot: reading.Snapshot}
	if err := w.Commit(ctx, *r); err != nil {
		return nil, apply.Unfit(err)
	}
	return r, nil
}
