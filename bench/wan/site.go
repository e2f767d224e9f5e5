package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"replicator/bench/cluster"
	"replicator/bench/measure"
	"replicator/replicator/pg"
)

// settings are those of a server that a DBA has given some memory, and prepared for a copy.
// Autovacuum is off on both sides, so that nothing runs in one measurement that does not in another.
var settings = map[string]string{
	"listen_addresses":                    "*",
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

const hba = `local all         all           trust
local replication all           trust
host  all         all 127.0.0.1/32 trust
host  all         all ` + sourceIP + prefix + ` trust
host  replication all ` + sourceIP + prefix + ` trust
`

// site is a namespace and its server.
type site struct {
	ns netns
	ip string
	*cluster.Cluster
}

func startSite(ctx context.Context, ns netns, ip string, durable bool) (*site, error) {
	c, err := cluster.Start(ctx, cluster.Config{Version: serverVersion, Settings: settings, HBA: hba, Durable: durable, Enter: ns.enter})
	if err != nil {
		return nil, fmt.Errorf("start the server at %s: %w", ip, err)
	}
	return &site{ns: ns, ip: ip, Cluster: c}, nil
}

// serverVersion is Debian's, whose client programs are there as well.
const serverVersion = 15

// address is the server's, on the wire.
func (s *site) address() string { return net.JoinHostPort(s.ip, strconv.Itoa(s.Port())) }

// dsnAt connects to a database by TCP at an address, which may be a proxy's.
func dsnAt(address, db string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: address, Path: "/" + db, RawQuery: "sslmode=disable"}
	return u.String()
}

// exec runs SQL in one of the server's databases.
func (s *site) exec(ctx context.Context, db, sql string) error {
	c, err := s.open(ctx, db)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Exec(ctx, sql)
}

func (s *site) open(ctx context.Context, db string) (*pg.Conn, error) {
	return pg.Connect(ctx, pg.Config{DSN: s.SocketDSN(db), Name: "wan benchmark"})
}

// createDatabase makes an empty one, instead of any of that name.
func (s *site) createDatabase(ctx context.Context, db string) error {
	if err := s.dropDatabase(ctx, db); err != nil {
		return err
	}
	return s.exec(ctx, "postgres", "CREATE DATABASE "+pg.Ident(db)+" TEMPLATE template0")
}

func (s *site) dropDatabase(ctx context.Context, db string) error {
	return s.exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+pg.Ident(db)+" WITH (FORCE)")
}

// startIfDown starts a server that was stopped.
func (s *site) startIfDown(ctx context.Context) error {
	if s.exec(ctx, "postgres", "SELECT") == nil {
		return nil
	}
	return s.StartAgain(ctx)
}

// cpu is what the server and all its sessions have used so far.
func (s *site) cpu() (time.Duration, error) {
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
