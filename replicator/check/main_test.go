package check

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/pg"
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

// server gives the shared server of a version.
func server(t *testing.T, version int) *cluster.Cluster {
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

// own starts a server for one test, which may restart it.
func own(t *testing.T, cfg cluster.Config) *cluster.Cluster {
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
	return c
}

var names atomic.Int64

// newName is a name for a database or a role that no other test has.
func newName(what string) string { return fmt.Sprintf("%s_%d", what, names.Add(1)) }

// database makes an empty database and returns its name.
func database(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	name := newName("emr")
	if _, err := c.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t *testing.T, dsn string) *pg.Conn {
	t.Helper()
	conn, err := pg.Connect(t.Context(), pg.Config{DSN: dsn, Name: "check_test", Settings: map[string]string{"search_path": "public"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// execute runs SQL in a session of its own.
func execute(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pg.Connect(t.Context(), pg.Config{DSN: dsn, Name: "check_test", Settings: map[string]string{"search_path": "public"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	do(t, conn, sql)
}

func do(t *testing.T, conn *pg.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
}

// denied wants the SQL to fail for want of a right.
func denied(t *testing.T, conn *pg.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql); pg.State(err) != "42501" {
		t.Errorf("%s: got %v, want it denied", sql, err)
	}
}

func value(t *testing.T, conn *pg.Conn, sql string) string {
	t.Helper()
	v, err := conn.Value(t.Context(), sql)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
	return v
}

// psql runs a script the way a DBA does: statement by statement, each in its own transaction.
func psql(t *testing.T, dsn, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", dsn)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s\nin:\n%s", err, out, script)
	}
}

// find is the finding of an ID on a side, or nil.
func (r *Report) find(id string, side Side) *Finding {
	for i := range r.Findings {
		if f := &r.Findings[i]; f.ID == id && f.Side == side {
			return f
		}
	}
	return nil
}

// signal makes a stopped server a standby of nobody.
func signal(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.DataDir(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}
