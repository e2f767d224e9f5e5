package slot

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"replicator/replicator/fault"
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
// another session tells whom for. When ctx ends meanwhile no slot is left; one may be left if ctx ends,
// or the connection is lost, behind it.
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
	if err := renewSnapshot(ctx, conn); err != nil {
		// It would keep WAL for nobody.
		return 0, fmt.Errorf("create slot %s: %w", name, errors.Join(err, Drop(ctx, conn, name, "")))
	}
	return wal.ParseLSN(lsn)
}

// Functions are what the role that calls [Create] must be allowed to execute, as everybody is unless a DBA
// has taken it from PUBLIC.
const Functions = "pg_catalog.lo_create(oid), pg_catalog.lo_unlink(oid)"

// renewSnapshot has the server, where it decodes from a slot that was just made, take a new look at its
// catalogs.
//
// A statement that truncates or alters a table while the slot is being made, in a transaction that
// began after it, is missing from the snapshot of the catalogs that PostgreSQL (14 to 18) goes on to
// decode with, if anybody wrote meanwhile: it notes catalog changes only once it has waited for the
// transactions that ran before. The rows of such a table then end the stream, at every attempt, with
// XX000 "could not map filenode to relation OID", or come without a column that was added. Only the
// commit of a transaction that changes a catalog replaces that snapshot. So here is one, which
// every role may run and which leaves nothing.
func renewSnapshot(ctx context.Context, conn *pg.Conn) error {
	// A commit that a crash takes away would be missing when the server decodes from there again.
	err := conn.Exec(ctx, "SET LOCAL synchronous_commit = local; SELECT pg_catalog.lo_unlink(pg_catalog.lo_create(0))")
	if pg.State(err) == "42501" { // insufficient_privilege: a DBA has taken it from PUBLIC
		return fault.New(fault.Preflight, fmt.Errorf("change a catalog behind it: %w", err),
			"GRANT EXECUTE ON FUNCTION "+Functions+" to our role on the source")
	}
	if err != nil {
		return fmt.Errorf("change a catalog behind it: %w", err)
	}
	return nil
}
