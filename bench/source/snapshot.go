package main

import (
	"context"
	"fmt"
	"time"

	"replicator/bench/peer"
)

// lookEvery is how often the source is asked who holds a snapshot.
const lookEvery = 50 * time.Millisecond

// snapshotSQL is how long the oldest snapshot is held by anybody but the wards and us.
const snapshotSQL = `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
	WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND application_name NOT IN ('clinical workload', '` + peer.SessionName + `')`

type looked struct {
	oldest float64 // seconds
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
		v, err := c.Value(ctx, snapshotSQL)
		if err != nil {
			return false, err
		}
		var age float64
		_, err = fmt.Sscan(v, &age)
		l.oldest = max(l.oldest, age)
		return false, err
	})
	if ctx.Err() == nil {
		l.err = err
	}
	return l
}
