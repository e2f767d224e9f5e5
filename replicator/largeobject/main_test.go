package largeobject_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/largeobject"
	"replicator/replicator/pg"
)

// servers are shared by the tests, by version.
var (
	serversMu sync.Mutex
	servers   = map[int]*cluster.Cluster{}
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, c := range servers {
		c.Close()
	}
	os.Exit(code)
}

func server(t *testing.T, version int) *cluster.Cluster {
	t.Helper()
	serversMu.Lock()
	defer serversMu.Unlock()
	if servers[version] == nil {
		c, err := cluster.Start(context.Background(), cluster.Config{Version: version, InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		servers[version] = c
	}
	return servers[version]
}

var databases atomic.Int64

// database makes an empty database and returns its DSN. Roles are there for owners and rights.
func database(t *testing.T, version int) string {
	t.Helper()
	dsn, err := server(t, version).CreateDatabase(t.Context(), fmt.Sprintf("lo_%d", databases.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"app", "ward", "Dr. \"No\"", "mover"} {
		execute(t, connect(t, dsn), "DO $$ BEGIN CREATE ROLE "+pg.Ident(role)+"; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$")
	}
	return dsn
}

func connect(t *testing.T, dsn string) *pg.Conn {
	t.Helper()
	conn, err := pg.Connect(t.Context(), pg.Config{DSN: dsn, Name: "largeobject_test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func execute(t *testing.T, conn *pg.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
}

// read is one answer of a side.
func read(t *testing.T, conn *pg.Conn, ask largeobject.Ask) largeobject.Answer {
	t.Helper()
	a, err := largeobject.Read(t.Context(), conn, ask)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// difference compares all objects of both sides by their content.
func difference(t *testing.T, src, tgt *pg.Conn) largeobject.Difference {
	t.Helper()
	s, d := read(t, src, largeobject.Ask{Range: largeobject.All}), read(t, tgt, largeobject.Ask{Range: largeobject.All})
	return largeobject.Compare(&s, &d)
}

// move makes the target equal, as a round does, with pages in pieces of about a size.
func move(t *testing.T, src, tgt *pg.Conn, size int) {
	t.Helper()
	d := difference(t, src, tgt)
	for _, b := range d.Batches() {
		execute(t, tgt, "BEGIN")
		w, err := largeobject.Begin(t.Context(), tgt, &b)
		if err != nil {
			t.Fatal(err)
		}
		sent := int64(0)
		if len(b.Write) > 0 {
			p := &pieces{to: func(piece []byte) error { return w.Pages(t.Context(), piece) }, size: size}
			if sent, err = largeobject.Pages(t.Context(), src, largeobject.OIDs(b.Write), p); err != nil {
				t.Fatal(err)
			}
			if err := p.flush(); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := w.Finish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rows != sent {
			t.Fatalf("%d pages sent, %d arrived", sent, rows)
		}
		execute(t, tgt, "COMMIT")
	}
}

// pieces collects rows as they come and hands them on some at a time, as frames do.
type pieces struct {
	bytes.Buffer
	to   func([]byte) error
	size int
}

func (p *pieces) Write(b []byte) (int, error) {
	n, _ := p.Buffer.Write(b)
	if p.Len() < p.size {
		return n, nil
	}
	return n, p.flush()
}

func (p *pieces) flush() error {
	defer p.Reset()
	return p.to(bytes.Clone(p.Bytes()))
}

// everything is what PostgreSQL itself says of all objects: to be held against ours.
const everything = `SELECT string_agg(concat_ws('|', m.oid, md5(lo_get(m.oid)), length(lo_get(m.oid)), pg_get_userbyid(lomowner),
		(SELECT string_agg(concat(CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, '=', privilege_type, is_grantable AND grantee <> lomowner), ',' ORDER BY grantee::regrole::text COLLATE "C", privilege_type)
			FROM aclexplode(coalesce(lomacl, acldefault('L', lomowner)))),
		obj_description(m.oid, 'pg_largeobject')), E'\n' ORDER BY m.oid) FROM pg_largeobject_metadata m`

// mustEqual holds both sides against each other, by our means and by PostgreSQL's.
func mustEqual(t *testing.T, src, tgt *pg.Conn) {
	t.Helper()
	if d := difference(t, src, tgt); !d.IsZero() {
		t.Errorf("%d to write, %d to alter, %d to remove after all was moved", len(d.Write), len(d.Alter), len(d.Remove))
	}
	s, err := src.Value(t.Context(), everything)
	if err != nil {
		t.Fatal(err)
	}
	d, err := tgt.Value(t.Context(), everything)
	if err != nil {
		t.Fatal(err)
	}
	if s != d {
		t.Errorf("the sides differ:\n%s\n---\n%s", s, d)
	}
}
