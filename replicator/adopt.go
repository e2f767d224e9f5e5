package replicator

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/verify"
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
	v       *verifier
	readers *lender // of the source
	copied  func(*chunker.Table)
}

// adoptTables does for a job that re-uses what copyTables does for others. Tables are compared in groups,
// as a verification does it; what has to be copied goes table by table.
func (j *job) adoptTables(ctx context.Context, tables []*chunker.Table, copied func(*chunker.Table)) error {
	v, err := j.newVerifier()
	if err != nil {
		return err
	}
	a := &adopter{job: j, v: v, readers: newLender(j.source, j.o.Jobs), copied: copied}
	defer a.readers.close()
	for _, group := range verify.Groups(a.left(tables, copied)) {
		var rest []*chunker.Table
		err := j.persist(ctx, fmt.Sprintf("compare %s and %d tables more", group[0], len(group)-1), func() (err error) {
			rest, err = a.group(ctx, a.left(group, func(*chunker.Table) {}))
			return err
		})
		if err != nil {
			return err
		}
		for _, t := range rest {
			if err := a.copyRest(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// left are the tables that do not count whole yet; done is called with the others.
func (a *adopter) left(tables []*chunker.Table, done func(*chunker.Table)) (left []*chunker.Table) {
	for _, t := range tables {
		if slices.Contains(a.received[t.Ordinal], false) {
			left = append(left, t)
		} else {
			done(t)
		}
	}
	return left
}

// group compares tables, and mends those in which a few rows differ. The others are returned.
func (a *adopter) group(ctx context.Context, tables []*chunker.Table) (rest []*chunker.Table, err error) {
	for _, t := range tables {
		if err := a.discount(t); err != nil {
			return nil, err
		}
	}
	s, err := a.standStill(ctx, tables)
	if err != nil {
		return nil, err
	}
	defer s.close()
	view, err := a.end.View(ctx, tables)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close(context.WithoutCancel(ctx)) }()
	var mu sync.Mutex
	err = verify.SideBySide(ctx, a.o.Jobs, tables, func(ctx context.Context, t *chunker.Table, sessions int) error {
		c := &comparison{adopter: a, t: t, still: s, sessions: sessions}
		whole, err := c.settle(ctx, view)
		switch {
		case err != nil:
			return fmt.Errorf("compare %s: %w", t, err)
		case whole:
			a.copied(t)
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		rest = append(rest, t)
		return nil
	})
	return rest, err
}

// discount forgets the receipts that a killed run has got for a part of a table: their snapshot is gone.
func (a *adopter) discount(t *chunker.Table) error {
	if !slices.Contains(a.received[t.Ordinal], true) {
		return nil
	}
	if err := a.store.DeleteReceipts(t.Ordinal); err != nil {
		return err
	}
	clear(a.received[t.Ordinal])
	a.tracker.Restart(t.Ordinal)
	return nil
}

// still is a snapshot of the source, kept by a session.
type still struct {
	conn     *pg.Conn
	export   string
	snapshot wal.Snapshot
	copying  sync.Mutex // one COPY at a time in conn
}

func (s *still) close() { s.conn.Close() }

// standStill takes a snapshot of tables, and waits until the source has on disk what it shows.
func (a *adopter) standStill(ctx context.Context, tables []*chunker.Table) (*still, error) {
	conn, err := a.source.Connect(ctx, "compare")
	if err != nil {
		return nil, err
	}
	s := &still{conn: conn}
	s.export, s.snapshot, err = chunker.Export(ctx, conn, tables, source.LockTimeout)
	if err == nil {
		err = a.flushed(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (a *adopter) flushed(ctx context.Context) error {
	conn, err := a.readers.take(ctx, "compare")
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

// copyRest copies what of a table does not stand there.
func (a *adopter) copyRest(ctx context.Context, t *chunker.Table) error {
	tc := newTableCopy(t, a.chunks[t.Ordinal], a.received[t.Ordinal])
	tc.shared = true
	defer tc.release()
	err := a.persist(ctx, "compare "+t.String(), func() error {
		tc.release() // of an attempt before, and what it has counted
		if err := a.discount(t); err != nil {
			return err
		}
		if _, err := tc.keep(ctx, a.source); err != nil {
			return err
		}
		if err := a.flushed(ctx); err != nil {
			return err
		}
		s := &still{conn: tc.keeperConn, export: tc.keeper.Export, snapshot: tc.keeper.Snapshot}
		c := &comparison{adopter: a, t: t, still: s, sessions: a.o.Jobs}
		return c.makeRoom(ctx, tc)
	})
	if err != nil {
		return err
	}
	if len(tc.pending) == 0 {
		a.copied(t)
		return nil
	}
	c := &copier{j: a.job, source: a.readers, limit: a.reading(), copied: a.copied, queue: []*tableCopy{tc}}
	return c.run(ctx)
}
