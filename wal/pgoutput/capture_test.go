package pgoutput_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/pg"
	"replicator/wal"
)

// parts cuts the script at its lines of dashes.
var parts = regexp.MustCompile(`(?m)^---.*$`)

// capture runs the script on a fresh server and returns its version and what pgoutput made of it.
func capture(t *testing.T, version int, mode string) (string, []message) {
	t.Helper()
	cfg, streaming, name := cluster.Config{Version: version}, "off", "script.sql"
	if mode == streamMode {
		cfg.Settings, streaming, name = map[string]string{"logical_decoding_work_mem": "64kB"}, "on", "stream.sql"
	}
	script, err := os.ReadFile(filepath.Join(goldenDir, name))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	cfg.InMemory = true
	c, err := cluster.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dsn, err := c.CreateDatabase(ctx, "golden")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pg.Connect(ctx, pg.Config{DSN: dsn, Name: "golden"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, sql := range parts.Split(string(script), -1) {
		if err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("part %d of the script: %v", i, err)
		}
		if i == 0 {
			query(t, conn, "SELECT pg_create_logical_replication_slot('golden', 'pgoutput')")
		}
	}
	var msgs []message
	for _, row := range query(t, conn, `SELECT lsn, encode(data, 'hex') FROM pg_logical_slot_get_binary_changes('golden', NULL, NULL,
		'proto_version', '2', 'publication_names', '"the ""golden"", one", golden_inserts', 'messages', 'true', 'binary', $1, 'streaming', $2)`, onOff[mode], streaming) {
		lsn, err := wal.ParseLSN(row[0])
		if err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(row[1])
		if err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, message{lsn, data})
	}
	return query(t, conn, "SHOW server_version")[0][0], msgs
}

var onOff = map[string]string{"binary": "true", "text": "false", streamMode: "true"}

func query(t *testing.T, conn *pg.Conn, sql string, args ...string) [][]string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
