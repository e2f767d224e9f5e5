package slot

import (
	"context"
	"fmt"
	"regexp"

	"replicator/replicator/pg"
	"replicator/wal"
)

// Plugin is the output plugin of our slots, the only one that patched servers load without being
// told to.
const Plugin = "pgoutput"

var validName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// ValidName says what is wrong with a slot's name, if anything.
func ValidName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("slot name %q: want 1 to 63 of a-z, 0-9 and _", name)
	}
	return nil
}

// Create makes a logical slot, without two-phase decoding and not for failover, and returns its
// consistent point: every transaction that commits above it will be sent. The publication must
// exist before. It waits for all transactions that run, and for prepared ones; [Blockers] on
// another session tells whom for. When ctx ends meanwhile no slot is left.
//
// A slot of that name is an error with SQLSTATE 42710: it may be anybody's.
func Create(ctx context.Context, conn *pg.Conn, name string) (wal.LSN, error) {
	if err := ValidName(name); err != nil {
		return 0, err
	}
	lsn, err := conn.Value(ctx, "SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1, $2, false, false)", name, Plugin)
	if err != nil {
		return 0, fmt.Errorf("create slot %s: %w", name, err)
	}
	return wal.ParseLSN(lsn)
}
