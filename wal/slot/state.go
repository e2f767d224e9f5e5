package slot

import (
	"context"
	"fmt"
	"strconv"

	"replicator/replicator/pg"
	"replicator/wal"
)

// State is a slot as the server shows it.
type State struct {
	Name   string
	Exists bool // the fields from Type to Retained mean nothing without

	Type          string // logical or physical
	Plugin        string
	Database      string
	ActivePID     int     // of the walsender that uses it; 0 nobody
	Restart       wal.LSN // the WAL is kept from here on
	Confirmed     wal.LSN // transactions whose commit ends at or below it are not sent any more
	WALStatus     string  // reserved, extended, unreserved, lost
	SafeSize      int64   // bytes of WAL until the slot may be lost; -1: no limit
	Invalidation  string  // why it was invalidated; 17 and newer
	InactiveSince string  // 17 and newer
	Retained      int64   // bytes of WAL held back

	Connected string  // the database of the session that asked
	Current   wal.LSN // where the server's WAL ends
}

// Lost reports whether the server has taken away WAL that the slot needs.
func (s *State) Lost() bool { return s.WALStatus == "lost" || s.Invalidation != "" }

// The view has other columns in every version: those that are missing are NULL by way of JSON.
const inspect = `
SELECT s.slot_name, s.slot_type, s.plugin, s.database, s.active_pid, s.restart_lsn, s.confirmed_flush_lsn,
	s.wal_status, coalesce(s.safe_wal_size, -1), j->>'invalidation_reason', j->>'inactive_since',
	greatest(pg_catalog.pg_wal_lsn_diff(now.lsn, s.restart_lsn), 0), pg_catalog.current_database(), now.lsn
FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
		ELSE pg_catalog.pg_current_wal_lsn() END) now(lsn)
	LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = %s
	LEFT JOIN LATERAL pg_catalog.to_jsonb(s) j ON true`

// Inspect looks at a slot. It works on sessions of both kinds, for SQL and for replication.
func Inspect(ctx context.Context, conn *pg.Conn, name string) (State, error) {
	if err := ValidName(name); err != nil {
		return State{}, err
	}
	rows, err := simple(ctx, conn, fmt.Sprintf(inspect, pg.Literal(name)))
	if err != nil {
		return State{}, fmt.Errorf("inspect slot %s: %w", name, err)
	}
	s, err := parseState(rows[0])
	if err != nil {
		return State{}, fmt.Errorf("inspect slot %s: %w", name, err)
	}
	s.Name = name
	return s, nil
}

func parseState(row []string) (s State, err error) {
	s = State{
		Exists: row[0] != "", Type: row[1], Plugin: row[2], Database: row[3],
		WALStatus: row[7], Invalidation: row[9], InactiveSince: row[10], Connected: row[12],
	}
	if s.Current, err = wal.ParseLSN(row[13]); err != nil || !s.Exists {
		return s, err
	}
	for _, f := range []struct {
		to   *wal.LSN
		text string
	}{{&s.Restart, row[5]}, {&s.Confirmed, row[6]}} {
		if f.text == "" {
			continue // of a slot that was invalidated
		}
		if *f.to, err = wal.ParseLSN(f.text); err != nil {
			return s, err
		}
	}
	for _, f := range []struct {
		to   *int64
		text string
	}{{&s.SafeSize, row[8]}, {&s.Retained, row[11]}} {
		if f.text == "" {
			continue
		}
		if *f.to, err = strconv.ParseInt(f.text, 10, 64); err != nil {
			return s, err
		}
	}
	if row[4] != "" {
		s.ActivePID, err = strconv.Atoi(row[4])
	}
	return s, err
}

// simple runs one statement that gives rows by the simple protocol, the only one that a walsender
// session speaks. NULL is "".
func simple(ctx context.Context, conn *pg.Conn, sql string) ([][]string, error) {
	results, err := conn.Raw().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, conn.Clean(err)
	}
	var rows [][]string
	for _, r := range results {
		for _, values := range r.Rows {
			row := make([]string, len(values))
			for i, v := range values {
				row[i] = string(v)
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("the server gave no row")
	}
	return rows, nil
}
