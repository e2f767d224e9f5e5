package chunker

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/replicator/pg"
)

// Scan reads a whole table for comparison, at the speed of a sequential scan: sessions share the
// heap by blocks, in any order, all under one snapshot. Its methods may be called one after another.
type Scan struct {
	Table *Table
	Text  bool // the job's changes travel as text
	Jobs  int  // sessions at most; 0 is one

	// Snapshot is an exported one to read under, "" takes one. Its keeper must have locked the table
	// before its first query: an older snapshot sees a table as empty that was truncated or rewritten.
	Snapshot    string
	LockTimeout time.Duration // bounds the wait for the table's lock; 0 waits

	Secret  checksum.Secret
	Connect func(context.Context) (*pg.Conn, error) // opens or lends a session, up to Jobs at once
	Release func(*pg.Conn)                          // takes one back, in no transaction; nil: it is closed

	Done *atomic.Int64 // bytes of the table, as planned, of which the rows are read are added to it; nil: nobody asks
}

// The heap is cut into more parts than there are sessions, so that these end at about the same time
// whatever lies where; a part of less than minPartBytes is not worth a query.
const (
	partsPerJob  = 8
	minPartBytes = 8 << 20
)

// reader takes the rows that one session reads.
type reader interface {
	row(image []byte) error
	end(ctx context.Context, conn *pg.Conn) error // after the last, in the same transaction
}

// read gives the rows of the table to readers, one a session, that open makes. An error ends all
// sessions; it returns when they have ended.
func (s *Scan) read(ctx context.Context, sp *spelling, open func() reader) error {
	first, err := s.session(ctx, s.Snapshot)
	if err != nil {
		return err
	}
	defer s.release(ctx, first)
	parts, err := s.parts(ctx, first)
	if err != nil {
		return err
	}
	jobs := min(max(s.Jobs, 1), len(parts))
	snapshot, err := s.share(ctx, first, jobs)
	if err != nil {
		return err
	}
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for i := range jobs {
		g.Go(func() error {
			conn := first
			if i > 0 {
				c, err := s.session(ctx, snapshot)
				if err != nil {
					return err
				}
				defer s.release(ctx, c)
				conn = c
			}
			return s.work(ctx, conn, sp, open(), parts, &next)
		})
	}
	return g.Wait()
}

// session opens one in a transaction that reads under snapshot.
func (s *Scan) session(ctx context.Context, snapshot string) (*pg.Conn, error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err = begin(ctx, conn, []*Table{s.Table}, snapshot, s.LockTimeout, "; "+scanSettings); err != nil {
		s.release(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// release ends the session's transaction, and with it what was set for the scan.
func (s *Scan) release(ctx context.Context, conn *pg.Conn) {
	if s.Release == nil {
		_ = conn.Close()
		return
	}
	rollback(ctx, conn)
	s.Release(conn)
}

// scanSettings: what is compared is the heap, not what an index says of it; a query is one part of
// several already; and amounts of money are spelled alike on both sides.
const scanSettings = `SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off;
	SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; SET LOCAL lc_monetary = 'C'`

// share is the snapshot for the other sessions. first must stay in its transaction while they open.
func (s *Scan) share(ctx context.Context, first *pg.Conn, jobs int) (string, error) {
	if s.Snapshot != "" || jobs == 1 {
		return s.Snapshot, nil
	}
	snapshot, err := first.Value(ctx, "SELECT pg_export_snapshot()")
	if err != nil {
		return "", fmt.Errorf("export snapshot of %s: %w", s.Table, err)
	}
	return snapshot, nil
}

// parts cuts the heap, as large as it is now, into conditions: blocks beyond hold no row that the
// snapshot sees. It goes by the size with TOAST, where the bytes of wide rows are.
func (s *Scan) parts(ctx context.Context, conn *pg.Conn) ([]string, error) {
	row, err := conn.Row(ctx, `SELECT pg_relation_size(c) / current_setting('block_size')::bigint, pg_table_size(c)
		FROM to_regclass($1) AS c`, s.Table.Qualified())
	if err != nil {
		return nil, err
	}
	var pages, bytes int64
	if _, err := fmt.Sscan(row[0]+" "+row[1], &pages, &bytes); err != nil {
		return nil, fmt.Errorf("size of %s: %w", s.Table, err)
	}
	n := min(int64(max(s.Jobs, 1)*partsPerJob), bytes/minPartBytes, pages)
	if s.Jobs <= 1 || n <= 1 {
		return []string{""}, nil
	}
	parts := make([]string, n)
	for i, c := range blocks(&Table{Pages: pages}, int(n)) {
		parts[i] = c.Where(s.Table)
	}
	return parts, nil
}

// work reads parts until none is left.
func (s *Scan) work(ctx context.Context, conn *pg.Conn, sp *spelling, r reader, parts []string, next *atomic.Int64) error {
	for {
		i := int(next.Add(1)) - 1
		if i >= len(parts) {
			return r.end(ctx, conn)
		}
		if err := s.part(ctx, conn, sp, r, parts[i]); err != nil {
			return fmt.Errorf("read %s: %w", s.Table, err)
		}
		s.done(s.Table.Bytes / int64(len(parts)))
	}
}

func (s *Scan) done(bytes int64) {
	if s.Done != nil {
		s.Done.Add(bytes)
	}
}

func (s *Scan) part(ctx context.Context, conn *pg.Conn, sp *spelling, r reader, where string) error {
	w := newRowWriter(sp.text, r.row)
	_, err := conn.CopyTo(ctx, w, sp.copy(s.Table, where))
	if w.err != nil {
		return w.err // it broke the connection, which alone would look as if trying again could help
	}
	if err != nil {
		return err
	}
	return w.rows.Close()
}

// rowWriter splits what COPY sends, and fails the write in which a row was refused.
type rowWriter struct {
	rows io.WriteCloser
	err  error
}

func newRowWriter(text bool, row func([]byte) error) *rowWriter {
	w := new(rowWriter)
	w.rows = checksum.NewRowSplitter(text, func(image []byte) {
		if w.err == nil {
			w.err = row(image)
		}
	})
	return w
}

func (w *rowWriter) Write(p []byte) (int, error) {
	n, err := w.rows.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, w.err
}
