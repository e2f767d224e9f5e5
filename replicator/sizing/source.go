package sizing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
)

// catalog is what is known of the source before anything is measured.
type catalog struct {
	db     *source.Database
	conn   *pg.Conn // for questions
	tables []chunker.Table
	kinds  map[Kind][]*chunker.Table
	late   []chunker.Table
	name   string        // of the database
	path   string        // search_path
	took   time.Duration // to read what tables there are
}

// openSource connects and reads the catalog.
func (o *Options) openSource(ctx context.Context) (*catalog, error) {
	c := &catalog{db: o.source()}
	var err error
	if c.conn, err = c.db.Connect(ctx, "bench"); err != nil {
		return nil, err
	}
	if err = c.read(ctx, o); err != nil {
		return nil, errors.Join(err, c.conn.Close())
	}
	return c, nil
}

func (c *catalog) read(ctx context.Context, o *Options) (err error) {
	if c.name, err = c.conn.Value(ctx, "SELECT current_database()"); err != nil {
		return fault.New(fault.Source, fmt.Errorf("source: %w", err), "")
	}
	if recovery, err := c.conn.Value(ctx, "SELECT pg_is_in_recovery()"); err != nil || recovery == "t" {
		return fault.New(fault.Source, errors.Join(err, errors.New("the source is a standby")), "measure on the primary, where seed will read")
	}
	if c.path, err = c.db.SearchPath(ctx); err != nil {
		return err
	}
	began := time.Now()
	if c.tables, err = schema.Tables(ctx, c.conn, o.Select); err != nil {
		if fault.CodeOf(err) == fault.Unexpected {
			err = fault.New(fault.Source, fmt.Errorf("read the source's catalog: %w", err), "")
		}
		return err
	}
	c.took = time.Since(began)
	if len(c.tables) == 0 {
		return fault.New(fault.Preflight, errors.New("no table is selected on the source"), "look at --table, --schema and the rights of the role")
	}
	for i := range c.tables {
		t := &c.tables[i]
		if o.NoKey == "full" && t.MayBeFull() {
			t.Identity = chunker.IdentityFull
		}
		if t.Late() {
			c.late = append(c.late, *t)
		}
	}
	c.kinds = byKind(c.tables)
	return c.readable(ctx)
}

// readable refuses a role that may read no table at all: everything else would be an empty report.
func (c *catalog) readable(ctx context.Context) error {
	n, err := c.conn.Value(ctx, `SELECT count(*) FROM unnest($1::oid[]) AS t(o) WHERE has_table_privilege(o, 'SELECT')`, oids(c.tables))
	if err == nil && n == "0" {
		return fault.New(fault.Source, errors.New("the role may read none of the tables"), "grant it SELECT: see replicator sql source-setup")
	}
	return err
}

func oids(tables []chunker.Table) string {
	b := []byte{'{'}
	for i := range tables {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Append(b, tables[i].OID)
	}
	return string(append(b, '}'))
}

func (c *catalog) close() { _ = c.conn.Close() }

// measureSource fills r with what can be seen within span.
func (o *Options) measureSource(ctx context.Context, c *catalog, r *Report, span time.Duration) error {
	s := &Source{Database: c.name, Tables: len(c.tables), Late: len(c.late)}
	r.Source = s
	for i := range c.tables {
		s.Bytes += c.tables[i].Bytes
		if c.tables[i].Rows < 0 {
			s.NoStats = append(s.NoStats, c.tables[i].String())
		}
	}
	var err error
	if s.Release, err = c.conn.Value(ctx, "SHOW server_version"); err != nil {
		return fault.New(fault.Source, err, "")
	}
	o.Tell("the source: what it writes by itself")
	counting, err := c.startCount(ctx)
	if err != nil {
		return err
	}
	beat, err := c.db.Connect(ctx, "bench pulse")
	if err != nil {
		return err
	}
	defer beat.Close()
	quiet := span / 8
	if s.Effect.Before, err = o.rest(ctx, beat, quiet); err != nil {
		return err
	}
	p := startPulse(ctx, beat)
	err = o.readKinds(ctx, c, s, span/2)
	s.Effect.During = p.end(ctx)
	if err != nil {
		return err
	}
	if s.Effect.After, err = o.rest(ctx, beat, quiet); err != nil {
		return err
	}
	o.Tell("the source: what its rows pack to")
	if err := o.packTables(ctx, c, s, span/4); err != nil {
		return err
	}
	s.Changes, err = counting.end(ctx)
	return err
}

// rest watches a source that is left alone.
func (o *Options) rest(ctx context.Context, conn *pg.Conn, span time.Duration) (Latency, error) {
	p := startPulse(ctx, conn)
	err := pg.Pause(ctx, span)
	return p.end(ctx), err
}

// readKinds reads each kind with 1, 2, 4 ... sessions, no more than seed will use.
func (o *Options) readKinds(ctx context.Context, c *catalog, s *Source, span time.Duration) error {
	steps := steps(o.Jobs)
	present := 0
	for _, k := range kinds {
		if len(c.kinds[k]) > 0 {
			present++
		}
	}
	for _, k := range kinds {
		tables := c.kinds[k]
		if len(tables) == 0 {
			continue
		}
		o.Tell(fmt.Sprintf("the source: reading %s tables", k))
		kr := KindRate{Kind: k, Tables: len(tables), Bytes: bytesOf(tables)}
		each := span / time.Duration(present*len(steps))
		sample, err := sampleOf(ctx, c.conn, evenly(tables, mostLarge), readBytes)
		if err != nil {
			return fault.New(fault.Source, fmt.Errorf("sample the source: %w", err), "")
		}
		sample.round = true
		for _, n := range steps {
			rate, err := o.read(ctx, c, sample, n, each)
			if err != nil {
				return err
			}
			if rate > 0 {
				kr.Read = append(kr.Read, Point{Connections: n, Rate: rate})
			}
		}
		s.Kinds = append(s.Kinds, kr)
	}
	return nil
}

// readBytes is the size of a chunk that is only read: small, so that a measurement ends in time.
const readBytes = 4 << 20

// steps are 1, 2, 4 ... n.
func steps(n int) (list []int) {
	for i := 1; i < n; i *= 2 {
		list = append(list, i)
	}
	return append(list, n)
}

// read reads chunks of a sample with n sessions for span, and returns the rate. Chunks that were read
// are not read again while there are others: the cache would answer.
func (o *Options) read(ctx context.Context, c *catalog, sample *pieces, n int, span time.Duration) (float64, error) {
	began := time.Now()
	var total, last atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range n {
		g.Go(func() error {
			conn, err := c.db.Connect(ctx, "bench read")
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			for first := true; first || time.Since(began) < span; first = false { // to connect may take longer
				p, ok := sample.next()
				if !ok {
					return nil
				}
				n, err := readPiece(ctx, conn, p)
				if err != nil && !skip(err) {
					return fault.New(fault.Source, err, "")
				}
				total.Add(n)
				last.Store(int64(time.Since(began)))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	if took := time.Duration(last.Load()).Seconds(); took > 0 {
		return float64(total.Load()) / took, nil
	}
	return 0, nil
}

func readPiece(ctx context.Context, conn *pg.Conn, p piece) (int64, error) {
	w := &countWriter{}
	_, err := chunker.Read(ctx, conn, p.table, p.chunk, "", source.LockTimeout, w)
	return w.n, err
}

// countWriter counts and forgets.
type countWriter struct{ n int64 }

var _ io.Writer = (*countWriter)(nil)

func (w *countWriter) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	return len(p), nil
}
