package chunker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// small makes tables of many kinds, more than one session reads in one transaction.
func small(t *testing.T, d *database) []*chunker.Table {
	t.Helper()
	d.do(t, `CREATE TYPE kind AS ENUM ('ward', 'bed'); CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES;
		CREATE TABLE bag (v text, w int[]); INSERT INTO bag VALUES ('x', '{1,NULL}'), ('x', '{1,NULL}'), (NULL, NULL);
		CREATE TABLE kinds (k kind PRIMARY KEY, f float8); INSERT INTO kinds VALUES ('ward', '-0'), ('bed', 'NaN');
		CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2);
		CREATE TABLE acl (id int PRIMARY KEY, a aclitem); INSERT INTO acl VALUES (1, 'postgres=r/postgres')`)
	d.do(t, `DO $$ BEGIN FOR i IN 1 .. 60 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, v text); INSERT INTO t%s SELECT g, ''x'' || g FROM generate_series(1, %s) g', i, i, i * 7 % 50); END LOOP; END $$`)
	all, err := schema.Tables(t.Context(), d.conn, schema.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	list := make([]*chunker.Table, len(all))
	for i := range all {
		list[i] = &all[i]
	}
	return list
}

// TestTotals: many tables at once are summed up to what each of them is alone, all rows and a selection,
// as binary and as text, by any number of sessions, under a snapshot.
func TestTotals(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 15)
	tables := small(t, p.src)
	keeper, err := p.src.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.Close()
	src, _ := p.sides(nil)
	if src.Snapshot, _, err = chunker.Export(t.Context(), keeper, tables, time.Second); err != nil {
		t.Fatal(err)
	}
	p.src.do(t, "UPDATE t5 SET v = 'later'; INSERT INTO t6 VALUES (1000, 'later'); DELETE FROM bag")
	var rows int64
	for _, c := range []struct {
		text bool
		of   checksum.Selection
		jobs int
	}{{false, nil, 1}, {false, nil, 3}, {true, nil, 3}, {false, checksum.Sample(30, 2), 2}} {
		src.Text, src.Jobs = c.text, c.jobs
		got, err := src.Totals(t.Context(), tables, c.of)
		if err != nil || len(got) != len(tables) {
			t.Fatalf("%+v: %d sets, %v", c, len(got), err)
		}
		for i, table := range tables {
			one := *src
			one.Table = table
			want, err := one.Fingerprint(t.Context(), c.of)
			if err != nil {
				t.Fatal(err)
			}
			if !got[i].Equal(want.Total()) {
				t.Errorf("%s, %+v: %s, alone %s", table, c, got[i], want.Total())
			}
			rows += got[i].Rows
		}
	}
	if rows < 3*60*20 {
		t.Errorf("%d rows in all", rows)
	}
	if none, err := src.Totals(t.Context(), nil, nil); err != nil || len(none) != 0 {
		t.Errorf("of no tables: %v, %v", none, err)
	}
}

// TestTotalsEnd: what fails in the middle names its table, what is cancelled ends, and no session is left.
func TestTotalsEnd(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 15)
	tables := small(t, p.src)
	src, _ := p.sides(nil)
	var lent []*pg.Conn
	connect := src.Connect
	src.Connect = serial(func(ctx context.Context) (*pg.Conn, error) {
		conn, err := connect(ctx)
		lent = append(lent, conn)
		return conn, err
	})
	src.Release = func(c *pg.Conn) {
		if !c.Raw().IsClosed() && c.Raw().TxStatus() != 'I' {
			t.Error("a session is given back in a transaction")
		}
		_ = c.Close()
	}
	lost := *tables[len(tables)/2]
	lost.Columns = append([]chunker.Column{{Name: "gone", Type: "int4", OID: 23}}, lost.Columns...)
	broken := append([]*chunker.Table{}, tables...)
	broken[len(tables)/2] = &lost
	if _, err := src.Totals(t.Context(), broken, nil); pg.State(err) != "42703" || !strings.Contains(err.Error(), lost.String()) {
		t.Errorf("a table without its column: %v", err)
	}
	src.LockTimeout = 20 * time.Millisecond
	p.src.do(t, "BEGIN; LOCK TABLE t33")
	if _, err := src.Totals(t.Context(), tables, nil); !pg.Transient(err) {
		t.Errorf("locked: %v", err)
	}
	p.src.do(t, "ROLLBACK")
	ctx, cancel := context.WithCancel(t.Context())
	src.Connect = func(ctx context.Context) (*pg.Conn, error) {
		defer cancel()
		return connect(ctx)
	}
	if _, err := src.Totals(ctx, tables, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if len(lent) < 2 {
		t.Errorf("%d sessions were lent", len(lent))
	}
	p.src.alone(t)
}
