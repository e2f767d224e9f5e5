package chunker_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"replicator/bench/cluster"
	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// servers are started when the first test asks for their version, and closed at the end.
type servers struct {
	mu   sync.Mutex
	open map[int]*cluster.Cluster
}

var shared = servers{open: map[int]*cluster.Cluster{}}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, c := range shared.open {
		if err := c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close server:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func server(t testing.TB, version int) *cluster.Cluster {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if c := shared.open[version]; c != nil {
		return c
	}
	c, err := cluster.Start(context.Background(), cluster.Config{Version: version, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	shared.open[version] = c
	return c
}

var databases atomic.Int64

// database is an empty one for a test, with a session in it.
type database struct {
	dsn  string
	conn *pg.Conn
}

func newDatabase(t testing.TB, version int) *database {
	t.Helper()
	dsn, err := server(t, version).CreateDatabase(t.Context(), fmt.Sprintf("emr_%d", databases.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	d := &database{dsn: dsn}
	if d.conn, err = d.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.conn.Close() })
	return d
}

func (d *database) connect(ctx context.Context) (*pg.Conn, error) {
	return pg.Connect(ctx, pg.Config{DSN: d.dsn, Name: "chunker_test", Settings: map[string]string{"search_path": "public"}})
}

func (d *database) do(t testing.TB, sql string) {
	t.Helper()
	if err := d.conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
}

func (d *database) value(t testing.TB, sql string) string {
	t.Helper()
	v, err := d.conn.Value(t.Context(), sql)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
	return v
}

// table is a table of the database as the plan sees it.
func (d *database) table(t testing.TB, name string) *chunker.Table {
	t.Helper()
	tables, err := schema.Tables(t.Context(), d.conn, schema.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range tables {
		if tables[i].Name == name {
			return &tables[i]
		}
	}
	t.Fatalf("no table %s", name)
	return nil
}

// pair is a source and a target, and the way tables of theirs are compared.
type pair struct {
	src, tgt *database
	scan     chunker.Scan // without its Connect
}

func newPair(t testing.TB, source, target int) *pair {
	return &pair{newDatabase(t, source), newDatabase(t, target), chunker.Scan{Secret: checksum.Secret{1}, Jobs: 2}}
}

// both runs SQL on both sides.
func (p *pair) both(t testing.TB, sql string) {
	t.Helper()
	p.src.do(t, sql)
	p.tgt.do(t, sql)
}

// copy carries a table over as a seed does, the rows in the order that the clause says.
func (p *pair) copy(t testing.TB, table *chunker.Table, order string) {
	t.Helper()
	format := "binary"
	if table.Text {
		format = "text"
	}
	var b bytes.Buffer
	if _, err := p.src.conn.CopyTo(t.Context(), &b, fmt.Sprintf("COPY (SELECT %s FROM %s %s) TO STDOUT (FORMAT %s)",
		table.ColumnList(), table.Qualified(), order, format)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.tgt.conn.CopyFrom(t.Context(), &b, chunker.CopyIn(table)); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) sides(table *chunker.Table) (src, tgt *chunker.Scan) {
	s, d := p.scan, p.scan
	s.Table, s.Connect, d.Table, d.Connect = table, p.src.connect, table, p.tgt.connect
	return &s, &d
}

// differences compares both sides, and narrows what differs.
func (p *pair) differences(t testing.TB, table *chunker.Table) []checksum.Difference {
	t.Helper()
	src, tgt := p.sides(table)
	a, err := src.Fingerprint(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tgt.Fingerprint(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.Equal(b) {
		return nil
	}
	n, err := chunker.Narrow(t.Context(), src, tgt, nil, a, b, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if !n.Complete {
		t.Fatalf("not narrowed: %+v", n)
	}
	return n.Differences
}

// equal wants no difference.
func (p *pair) equal(t testing.TB, table *chunker.Table) {
	t.Helper()
	if d := p.differences(t, table); len(d) > 0 {
		t.Fatalf("%s differs: %v", table, p.name(t, table, d))
	}
}

// differ wants exactly these differences: of each its kind and its key on the side that has it.
func (p *pair) differ(t testing.TB, table *chunker.Table, want ...string) {
	t.Helper()
	got := p.name(t, table, p.differences(t, table))
	missing := map[string]int{}
	for _, w := range want {
		missing[w]++
	}
	for _, g := range got {
		missing[g]--
	}
	for _, n := range missing {
		if n != 0 {
			t.Errorf("%s: found %q, want %q", table, got, want)
			return
		}
	}
}

// name is "kind key" of differences, the key "-" where the table has none.
func (p *pair) name(t testing.TB, table *chunker.Table, found []checksum.Difference) []string {
	t.Helper()
	var hashes []checksum.KeyHash
	for _, d := range found {
		hashes = append(hashes, d.Key)
	}
	keys := map[checksum.KeyHash]string{}
	src, tgt := p.sides(table)
	for _, side := range []*chunker.Scan{src, tgt} {
		rows, err := side.Locate(t.Context(), hashes)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			keys[r.Hash] = strings.Join(r.Key, ",")
		}
	}
	names := make([]string, len(found))
	for i, d := range found {
		key, located := keys[d.Key]
		if !located {
			t.Errorf("%s: %s is nowhere", table, d.Key)
		}
		if len(table.Key) == 0 {
			key = "-"
		}
		names[i] = fmt.Sprintf("%s %s", d.Kind(), key)
	}
	return names
}
