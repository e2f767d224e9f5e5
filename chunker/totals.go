package chunker

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/replicator/pg"
)

// lockedAtOnce bounds the locks that a session takes for tables that it reads in one transaction: a query
// locks their indexes as well.
const lockedAtOnce = 16

// Totals are the sets of the rows of tables, or of a selection of them: what Fingerprint tells without its
// buckets. It is for small tables, of which the asking costs more than the rows: each is read by one
// session, several in one transaction, and sessions share them. Table is not looked at.
func (s *Scan) Totals(ctx context.Context, tables []*Table, of checksum.Selection) ([]checksum.Set, error) {
	t := totals{Scan: s, tables: tables, of: of, sets: make([]checksum.Set, len(tables))}
	jobs := max(s.Jobs, 1)
	t.stretch = max(1, min(lockedAtOnce, len(tables)/(2*jobs)))
	g, ctx := errgroup.WithContext(ctx)
	for range min(jobs, (len(tables)+t.stretch-1)/t.stretch) {
		g.Go(func() error { return t.work(ctx) })
	}
	return t.sets, g.Wait()
}

// totals is one call of Totals.
type totals struct {
	*Scan
	tables  []*Table
	of      checksum.Selection
	stretch int            // so many tables are read in one transaction
	next    atomic.Int64   // stretch that nobody reads
	sets    []checksum.Set // of the tables; each is written by the session that reads it
}

// work reads stretches until none is left.
func (t *totals) work(ctx context.Context) error {
	conn, err := t.Connect(ctx)
	if err != nil {
		return err
	}
	defer t.release(ctx, conn)
	for {
		from := (int(t.next.Add(1)) - 1) * t.stretch
		if from >= len(t.tables) {
			return nil
		}
		if err := t.read(ctx, conn, from, min(from+t.stretch, len(t.tables))); err != nil {
			return err
		}
	}
}

// read reads some of the tables in one transaction.
func (t *totals) read(ctx context.Context, conn *pg.Conn, from, to int) error {
	if _, err := begin(ctx, conn, t.tables[from:to], t.Snapshot, t.LockTimeout, "; "+scanSettings); err != nil {
		return err
	}
	defer rollback(ctx, conn)
	for i := from; i < to; i++ {
		if err := t.table(ctx, conn, i); err != nil {
			return fmt.Errorf("read %s: %w", t.tables[i], err)
		}
	}
	return nil
}

func (t *totals) table(ctx context.Context, conn *pg.Conn, i int) error {
	sp, err := spell(t.tables[i], t.Text)
	if err != nil {
		return err
	}
	one := *t.Scan
	one.Table = t.tables[i]
	err = one.part(ctx, conn, &sp, &totaler{rowHasher: t.hasher(&sp, t.of), to: &t.sets[i]}, "")
	if err == nil {
		t.done(one.Table.Bytes)
	}
	return err
}

// totaler sums up the rows of one table.
type totaler struct {
	rowHasher
	to *checksum.Set
}

func (r *totaler) row(image []byte) error {
	if len(r.of) == 0 { // whose key it is decides nothing
		r.to.AddHash(r.Keyless(image), len(image))
		return nil
	}
	h, meant, err := r.hash(image)
	if meant {
		r.to.AddHash(h, len(image))
	}
	return err
}

func (r *totaler) end(context.Context, *pg.Conn) error { return nil }
