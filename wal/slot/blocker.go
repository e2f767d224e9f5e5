package slot

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"replicator/replicator/pg"
)

// Blocker is a running transaction that writes, in any database of the cluster: it holds back the
// making of a slot and the start of the copy. Its query is not told, for that may hold values.
type Blocker struct {
	XID         uint64 // widened with the epoch
	PID         int    // 0: a prepared transaction
	Prepared    string // its global identifier
	Database    string
	Application string // application_name, or the kind of a background process
	State       string // of pg_stat_activity
	Age         time.Duration
}

// String is what a DBA needs to find it.
func (b Blocker) String() string {
	if b.PID == 0 {
		return fmt.Sprintf("prepared transaction %q in %s for %s", b.Prepared, b.Database, b.Age)
	}
	return fmt.Sprintf("pid %d in %s (%q, %s) for %s", b.PID, b.Database, b.Application, b.State, b.Age)
}

// Describe names a few and counts the rest.
func Describe(blockers []Blocker) string {
	const most = 3
	var names []string
	for _, b := range blockers[:min(most, len(blockers))] {
		names = append(names, b.String())
	}
	if more := len(blockers) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

const running = `
SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()), r.*
FROM (SELECT backend_xid, pid, '', coalesce(datname, ''), coalesce(nullif(application_name, ''), backend_type), coalesce(state, 'active'),
		coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0) AS age
	FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
	UNION ALL
	SELECT transaction, 0, gid, database, '', 'prepared', extract(epoch FROM clock_timestamp() - prepared)
	FROM pg_catalog.pg_prepared_xacts) r
ORDER BY age DESC`

// Blockers lists the running transactions whose id is below the given one, 0 meaning all of them,
// the oldest first.
func Blockers(ctx context.Context, conn *pg.Conn, below uint64) ([]Blocker, error) {
	rows, err := conn.Query(ctx, running)
	if err != nil {
		return nil, fmt.Errorf("look for running transactions: %w", err)
	}
	var blockers []Blocker
	for _, row := range rows {
		b, err := parseBlocker(row)
		if err != nil {
			return nil, fmt.Errorf("look for running transactions: %w", err)
		}
		if below == 0 || b.XID < below {
			blockers = append(blockers, b)
		}
	}
	return blockers, nil
}

func parseBlocker(row []string) (Blocker, error) {
	xmax, err := strconv.ParseUint(row[0], 10, 64)
	if err != nil {
		return Blocker{}, err
	}
	xid, err := strconv.ParseUint(row[1], 10, 32)
	if err != nil {
		return Blocker{}, err
	}
	pid, err := strconv.Atoi(row[2])
	if err != nil {
		return Blocker{}, err
	}
	age, err := strconv.ParseFloat(row[7], 64)
	if err != nil {
		return Blocker{}, err
	}
	return Blocker{
		XID: widen(uint32(xid), xmax), PID: pid, Prepared: row[3], Database: row[4], Application: row[5], State: row[6],
		Age: time.Duration(age * float64(time.Second)).Round(100 * time.Millisecond),
	}, nil
}

// widen gives the 64-bit id nearest to one of now.
func widen(xid uint32, now uint64) uint64 {
	return uint64(int64(now) + int64(int32(xid-uint32(now))))
}
