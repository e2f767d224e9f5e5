package slot

import (
	"context"
	"fmt"
	"strings"
	"time"

	"replicator/replicator/pg"
)

// dropTries bounds how often a walsender that somebody starts again is ended.
const dropTries = 5

// endTimeout is how long a walsender may take to end; the server waits for us.
const endTimeout = 5 * time.Second

// Drop removes the slot; one that is not there is no error. A walsender whose application_name
// begins with ours, left over from an engine that died, is ended; with any other session on the
// slot Drop fails with SQLSTATE 55006.
func Drop(ctx context.Context, conn *pg.Conn, name, ours string) error {
	if err := ValidName(name); err != nil {
		return err
	}
	var err error
	for range dropTries {
		_, err = conn.Query(ctx, "SELECT pg_catalog.pg_drop_replication_slot($1)", name)
		switch pg.State(err) {
		case "42704":
			return nil
		case "55006":
			if free, ferr := release(ctx, conn, name, ours); ferr != nil {
				return ferr
			} else if free {
				continue
			}
		}
		break
	}
	if err != nil {
		return fmt.Errorf("drop slot %s: %w", name, err)
	}
	return nil
}

// release ends our own walsender on the slot. It reports whether the slot may be free now.
func release(ctx context.Context, conn *pg.Conn, name, ours string) (bool, error) {
	rows, err := conn.Query(ctx, `SELECT a.pid, a.application_name FROM pg_catalog.pg_replication_slots s
		JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1`, name)
	if err != nil {
		return false, fmt.Errorf("look who uses slot %s: %w", name, err)
	}
	if len(rows) == 0 {
		return true, nil
	}
	pid, app := rows[0][0], rows[0][1]
	if ours == "" || !strings.HasPrefix(app, ours) {
		return false, nil
	}
	ended, err := conn.Value(ctx, "SELECT pg_catalog.pg_terminate_backend($1, $2)", pid, fmt.Sprint(endTimeout.Milliseconds()))
	if err != nil {
		return false, fmt.Errorf("end walsender %s of slot %s: %w", pid, name, err)
	}
	return ended == "t", nil
}
