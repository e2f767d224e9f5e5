package main

import (
	"context"
	"strconv"
	"time"

	"replicator/bench/peer"
)

// lookEvery is how often the source is asked who holds a snapshot.
const lookEvery = 50 * time.Millisecond

// snapshotSQL is how long the oldest snapshot is held by anybody but the wards and us, and by whom.
const snapshotSQL = `SELECT extract(epoch FROM clock_timestamp() - xact_start) AS held, application_name FROM pg_stat_activity
	WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND application_name NOT IN ('clinical workload', '` + peer.SessionName + `')
	ORDER BY held DESC NULLS LAST LIMIT 1`

type looked struct {
	oldest float64 // seconds
	whose  string  // its application_name
	err    error
}

// oldestSnapshot looks until ctx ends.
func (w *world) oldestSnapshot(ctx context.Context) (l looked) {
	c, err := w.Source.Open(ctx, sourceDB)
	if err != nil {
		return looked{err: err}
	}
	defer c.Close()
	err = peer.Until(ctx, lookEvery, func() (bool, error) {
		rows, err := c.Query(ctx, snapshotSQL)
		if err != nil || len(rows) == 0 || rows[0][0] == "" { // "": it began a transaction this moment
			return false, err
		}
		age, err := strconv.ParseFloat(rows[0][0], 64)
		if age > l.oldest {
			l.oldest, l.whose = age, rows[0][1]
		}
		return false, err
	})
	if ctx.Err() == nil {
		l.err = err
	}
	return l
}
