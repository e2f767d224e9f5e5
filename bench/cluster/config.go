package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Config says what server to start. The zero value is the newest one that Debian installed, with
// everything else chosen freely.
type Config struct {
	Version  int               // major version; 0: the newest in /usr/lib/postgresql
	Settings map[string]string // postgresql.conf, over our defaults
	HBA      string            // the whole pg_hba.conf; "": trust everybody on this machine
	Dir      string            // must be empty or absent; "": a fresh one. Close removes it
	Port     int               // 0: a free one
	// Durable keeps fsync and full_page_writes on. Without it a server survives every crash of
	// its own, also "immediate", but not one of the machine.
	Durable bool
	// InMemory puts it into memory where there is room for it, and else on disk: for tests. What a
	// Durable one has is on disk.
	InMemory bool
	// Enter runs on the thread that forks the server, right before: what it changes about the
	// thread, as its network namespace, the server inherits. The thread ends with the server.
	Enter func() error

	Servers string // where testdata/servers/install put its files; "": .cache/servers in the checkout
	Cache   string // templates and lock files; "": below the user's cache directory, or /var/tmp
}

// defaults make any cluster usable as source and target of several jobs at once.
var defaults = map[string]string{
	"listen_addresses":          "127.0.0.1",
	"timezone":                  "UTC",
	"log_timezone":              "UTC",
	"lc_messages":               "C",
	"log_line_prefix":           "%m [%p] %q%a ",
	"wal_level":                 "logical",
	"max_wal_senders":           "20",
	"max_replication_slots":     "20",
	"max_prepared_transactions": "20",
	"max_worker_processes":      "16",
	"max_connections":           "100",
	"max_locks_per_transaction": "256", // hundreds of partitions in one transaction
	"shared_buffers":            "64MB",
	"jit":                       "off",
}

const trustHBA = `local all         all              trust
local replication all              trust
host  all         all 127.0.0.1/32 trust
host  replication all 127.0.0.1/32 trust
`

// conf is what is appended to the template's postgresql.conf.
func (cfg Config) conf(port int, socketDir string) string {
	all := maps.Clone(defaults)
	if !cfg.Durable {
		all["fsync"] = "off"
		all["full_page_writes"] = "off"
	}
	all["unix_socket_directories"] = socketDir
	maps.Copy(all, cfg.Settings)
	all["port"] = fmt.Sprint(port)

	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(all[name], "'", "''"))
	}
	return b.String()
}

func (cfg Config) hba() string {
	if cfg.HBA == "" {
		return trustHBA
	}
	return cfg.HBA
}
