package schema_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/pg"
)

// server is shared by all tests of the room; each makes databases of its own.
var server *cluster.Cluster

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	server, err = cluster.Start(context.Background(), cluster.Config{InMemory: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start server:", err)
		return 1
	}
	defer server.Close()
	return m.Run()
}

var databases atomic.Int64

// database makes an empty database and returns its DSN.
func database(t *testing.T, on *cluster.Cluster) string {
	t.Helper()
	dsn, err := on.CreateDatabase(t.Context(), fmt.Sprintf("schema_test_%d", databases.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// connect opens a session that ends with the test.
func connect(t *testing.T, dsn string) *pg.Conn {
	t.Helper()
	conn, err := pg.Connect(t.Context(), pg.Config{DSN: dsn, Name: "schema_test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// execute runs statements; a failure names the condition, as everywhere.
func execute(t *testing.T, conn *pg.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v in:\n%s", err, sql)
	}
}
