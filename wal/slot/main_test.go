package slot_test

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"replicator/bench/cluster"
	"replicator/replicator/pg"
	"replicator/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a server with the role that a DBA would make for us, and nothing more.
type source struct {
	*cluster.Cluster
	admin *pg.Conn
}

const (
	role     = "replicator_source"
	database = "emr"
)

func newSource(t *testing.T, cfg cluster.Config) *source {
	t.Helper()
	cfg.InMemory = true
	c, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	dsn, err := c.CreateDatabase(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	s := &source{Cluster: c}
	s.admin = s.open(t, pg.Config{DSN: dsn, Name: "admin"})
	exec(t, s.admin, `CREATE ROLE replicator_source LOGIN REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE;
		GRANT pg_read_all_data, pg_monitor TO replicator_source;
		CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t`)
	return s
}

func (s *source) open(t *testing.T, cfg pg.Config) *pg.Conn {
	t.Helper()
	cfg.Settings = map[string]string{"search_path": "public"}
	conn, err := pg.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// connect is a session of our role.
func (s *source) connect(t *testing.T, name string) *pg.Conn {
	t.Helper()
	return s.open(t, pg.Config{DSN: s.DSNAs(role, database), Name: name})
}

func (s *source) replication(t *testing.T, name string) *pg.Conn {
	t.Helper()
	return s.open(t, pg.Config{DSN: s.DSNAs(role, database), Name: name, Replication: true})
}

func exec(t *testing.T, conn *pg.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func value(t *testing.T, conn *pg.Conn, sql string, args ...string) string {
	t.Helper()
	v, err := conn.Value(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// until asks the server until sql, which takes a moment there, is true.
func until(t *testing.T, conn *pg.Conn, sql string, args ...string) {
	t.Helper()
	for range 1000 {
		if value(t, conn, "SELECT ("+sql+") FROM pg_sleep(0.01)", args...) == "t" {
			return
		}
	}
	t.Fatalf("never true: %s", sql)
}

func lsn(t *testing.T, conn *pg.Conn) wal.LSN {
	t.Helper()
	l, err := wal.ParseLSN(value(t, conn, "SELECT pg_current_wal_lsn()"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// each runs f on every version that is installed.
func each(t *testing.T, f func(t *testing.T, version int)) {
	for _, version := range cluster.Available("") {
		if version < 14 {
			continue
		}
		t.Run(fmt.Sprint(version), func(t *testing.T) { f(t, version) })
	}
}
