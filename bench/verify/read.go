package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/bench/clinical"
	"replicator/bench/cluster"
	"replicator/bench/measure"
	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// reading is one way to read a table; it returns its rows and bytes.
type reading struct {
	name, how string
	role      measure.Role
	table     func(db *database, ctx context.Context, t *chunker.Table) (rows, bytes int64, err error)
}

// database is one that is read.
type database struct {
	dsn      string
	sessions int
	secret   checksum.Secret
	tables   []chunker.Table
}

func (d *database) connect(ctx context.Context) (*pg.Conn, error) {
	return pg.Connect(ctx, pg.Config{DSN: d.dsn, Name: "bench", Settings: map[string]string{"jit": "off"}})
}

// settings of the servers: a database of the default scale stays in memory, and nothing else runs.
var settings = map[string]string{"shared_buffers": "512MB", "max_wal_size": "8GB", "autovacuum": "off", "max_locks_per_transaction": "256"}

// read is the scenario of that name.
func read(ctx context.Context, r *measure.Report, o options) error {
	c, err := cluster.Start(ctx, cluster.Config{Settings: settings})
	if err != nil {
		return err
	}
	defer c.Close()
	db, err := load(ctx, c, o)
	if err != nil {
		return err
	}
	ways := []reading{
		{"replicator", "fingerprints, keyed", measure.Ours, (*database).fingerprint},
		{"COPY binary", "COPY (SELECT * FROM t) TO STDOUT (FORMAT binary), to nowhere", measure.Reference, (*database).copy},
		{"hashtext", "SELECT count(*), sum(hashtext(t::text)) FROM t", measure.Peer, (*database).hashtext},
	}
	g := r.Group(fmt.Sprintf("Reading one side whole, %d sessions", o.sessions), "seconds")
	g.Fact("database", "clinical data, scale %g, %d tables; sessions share the tables, and verify's also each large table", o.scale, len(db.tables))
	subjects := make([]*measure.Subject, len(ways))
	for i, w := range ways {
		subjects[i] = g.Subject(w.name, w.role, w.how)
	}
	limit := 0.0
	err = measure.Interleave(o.runs, len(ways), func(run, i int) error {
		i = (i + 1) % len(ways) // the limit first
		began := time.Now()
		rows, bytes, err := db.all(ctx, ways[i])
		took := time.Since(began).Seconds()
		if ways[i].role == measure.Reference {
			limit = took
		}
		subjects[i].Add(measure.Values{"seconds": took, "rows_per_second": float64(rows) / took, "bytes_per_second": float64(bytes) / took, "of_limit": limit / took})
		return err
	})
	g.Compare()
	return err
}

func load(ctx context.Context, c *cluster.Cluster, o options) (*database, error) {
	dsn, err := c.CreateDatabase(ctx, "clinical")
	if err != nil {
		return nil, err
	}
	if err := clinical.Load(ctx, dsn, clinical.Options{Scale: o.scale, Seed: 1}); err != nil {
		return nil, err
	}
	db := &database{dsn: dsn, sessions: o.sessions, secret: checksum.NewSecret()}
	conn, err := db.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return nil, err
	}
	db.tables, err = schema.Tables(ctx, conn, schema.Selection{})
	slices.SortFunc(db.tables, func(a, b chunker.Table) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return db, err
}

// alone is the size from which verify reads a table with all sessions, as package verify has it.
const alone = 64 << 20

// all reads every table, the largest first; sessions take tables in turn. Only verify shares a large
// table among them.
func (d *database) all(ctx context.Context, w reading) (rows, bytes int64, err error) {
	var r, b atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(d.sessions)
	for i := range d.tables {
		one := func() error {
			rows, bytes, err := w.table(d, gctx, &d.tables[i])
			r.Add(rows)
			b.Add(bytes)
			return err
		}
		if w.role != measure.Ours || d.tables[i].Bytes < alone {
			g.Go(one)
		} else if err := one(); err != nil {
			return 0, 0, errors.Join(err, g.Wait())
		}
	}
	err = g.Wait()
	return r.Load(), b.Load(), err
}

func (d *database) fingerprint(ctx context.Context, t *chunker.Table) (int64, int64, error) {
	s := chunker.Scan{Table: t, Jobs: d.sessions, Secret: d.secret, Connect: d.connect}
	f, err := s.Fingerprint(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	sum := f.Total()
	return sum.Rows, sum.Bytes, nil
}

// counted counts what is written.
type counted int64

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}

var _ io.Writer = new(counted)

func (d *database) copy(ctx context.Context, t *chunker.Table) (int64, int64, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	var n counted
	rows, err := conn.CopyTo(ctx, &n, fmt.Sprintf("COPY (SELECT * FROM ONLY %s) TO STDOUT (FORMAT binary)", t.Qualified()))
	return rows, int64(n), err
}

func (d *database) hashtext(ctx context.Context, t *chunker.Table) (int64, int64, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	row, err := conn.Row(ctx, fmt.Sprintf("SELECT count(*), sum(hashtext(t::text)) FROM ONLY %s t", t.Qualified()))
	if err != nil {
		return 0, 0, err
	}
	var rows int64
	_, err = fmt.Sscan(row[0], &rows)
	return rows, t.Bytes, err
}
