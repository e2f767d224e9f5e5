package peer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"replicator/bench/cluster"
	"replicator/bench/measure"
	"replicator/replicator/pg"
)

// Version is Debian's, whose client programs are there as well.
const Version = 15

// Settings are those of a server that a DBA has given some memory, and prepared for a copy.
// Autovacuum is off on both sides, so that nothing runs in one measurement that does not in another.
func Settings() map[string]string {
	return map[string]string{
		"shared_buffers":                      "512MB",
		"maintenance_work_mem":                "256MB",
		"max_wal_size":                        "8GB",
		"checkpoint_timeout":                  "30min",
		"autovacuum":                          "off",
		"max_worker_processes":                "32",
		"max_logical_replication_workers":     "16",
		"max_sync_workers_per_subscription":   "4",
		"wal_receiver_status_interval":        "1s",
		"unix_socket_permissions":             "0777",
		"log_min_error_statement":             "error",
		"log_autovacuum_min_duration":         "-1",
		"wal_sender_timeout":                  "0",
		"idle_in_transaction_session_timeout": "0",
	}
}

// Server is one of ours.
type Server struct {
	*cluster.Cluster
}

// Client is a client program of the server's version.
func (s *Server) Client(name string) string { return filepath.Join(s.BinDir(), name) }

// Exec runs SQL in one of the server's databases.
func (s *Server) Exec(ctx context.Context, db, sql string) error {
	c, err := s.Open(ctx, db)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Exec(ctx, sql)
}

// Value asks one of the server's databases.
func (s *Server) Value(ctx context.Context, db, sql string, args ...string) (string, error) {
	c, err := s.Open(ctx, db)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.Value(ctx, sql, args...)
}

// Open opens a session.
func (s *Server) Open(ctx context.Context, db string) (*pg.Conn, error) {
	return pg.Connect(ctx, pg.Config{DSN: s.SocketDSN(db), Name: SessionName})
}

// SessionName is the application_name of the benchmark's own sessions.
const SessionName = "benchmark"

// Fresh makes an empty database, instead of any of that name.
func (s *Server) Fresh(ctx context.Context, db string) error { return s.Clone(ctx, db, "template0") }

// Clone makes a copy of a database, to which nobody may be connected.
func (s *Server) Clone(ctx context.Context, db, of string) error {
	if err := s.Drop(ctx, db); err != nil {
		return err
	}
	return s.Exec(ctx, "postgres", "CREATE DATABASE "+pg.Ident(db)+" TEMPLATE "+pg.Ident(of))
}

// Drop drops a database, if there is one of that name.
func (s *Server) Drop(ctx context.Context, db string) error {
	return s.Exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+pg.Ident(db)+" WITH (FORCE)")
}

// StartIfDown starts a server that was stopped.
func (s *Server) StartIfDown(ctx context.Context) error {
	if s.Exec(ctx, "postgres", "SELECT") == nil {
		return nil
	}
	return s.StartAgain(ctx)
}

// CPU is what the server and all its sessions have used so far.
func (s *Server) CPU() (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(s.DataDir(), "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return 0, fmt.Errorf("postmaster.pid: %w", err)
	}
	return measure.TreeCPU(pid)
}

// CarryRoles makes the roles of one server on another.
func CarryRoles(ctx context.Context, t *Tool, from, to *Server, file string) error {
	err := t.Run(ctx, nil, from.Client("pg_dumpall"), "--roles-only", "-f", file, "-d", from.SocketDSN("postgres"))
	if err == nil { // the role postgres is there already, which is the only complaint
		err = t.Run(ctx, nil, to.Client("psql"), "-Xqf", file, "-d", to.SocketDSN("postgres"))
	}
	if err != nil {
		return fmt.Errorf("carry the roles: %w", err)
	}
	return nil
}

// Poll is how often a server is asked whether it has come so far.
const Poll = 100 * time.Millisecond

// Until asks every so often until the answer is yes.
func Until(ctx context.Context, every time.Duration, yes func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok, err := yes(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// LogTail is the end of the server's log.
func LogTail(s *Server) string {
	b, err := os.ReadFile(s.LogFile())
	if err != nil {
		return ""
	}
	return Tail(string(b))
}
