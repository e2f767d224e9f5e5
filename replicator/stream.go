package replicator

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/status"
	"replicator/wal"
	"replicator/wal/slot"
	"replicator/wal/stream"
)

// stream keeps the change log fed until ctx ends. Before every connection it makes sure that the
// slot still has what we have not (invariant I10): the server would skip it without a word.
func (j *job) stream(ctx context.Context) error {
	err := j.persist(ctx, "stream", func() error {
		if err := j.checkSlot(ctx); err != nil {
			return err
		}
		return stream.Run(ctx, stream.Config{
			Connect: j.source.ConnectReplication, Slot: j.rec.Slot, Publication: j.rec.Publication,
			Binary: !textStream(j.planned), Log: j.changes, Confirm: j.confirmable, Logger: j.log, Hook: j.o.Hook,
			Progress: func(p stream.Progress) { j.tracker.Received(p.Received, p.Durable, p.LastCommit) },
		})
	})
	if interrupted(ctx, err) {
		return nil
	}
	return err
}

// confirmable is how far the slot may forget: by default what is durable here (I4), with
// --confirm=applied what is also on the target.
func (j *job) confirmable(durable wal.LSN) wal.LSN {
	if j.o.Confirm != "applied" {
		return durable
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return min(durable, j.applied)
}

func (j *job) checkSlot(ctx context.Context) error {
	system, err := systemOf(ctx, j.source)
	if err != nil {
		return err
	}
	if system.ID != j.rec.System.ID || system.Timeline != j.rec.System.Timeline {
		return fault.New(fault.PositionLost, fmt.Errorf("the source is another cluster or timeline: was %s/%d, is %s/%d",
			j.rec.System.ID, j.rec.System.Timeline, system.ID, system.Timeline),
			"a restored or promoted source has another history: run replicator cleanup and seed again")
	}
	conn, err := j.source.Connect(ctx, "slot")
	if err != nil {
		return err
	}
	defer conn.Close()
	st, err := slot.Inspect(ctx, conn, j.rec.Slot)
	if err != nil {
		return err
	}
	return slot.Check(st, j.changes.Durable())
}

// watchEvery is how often the source is asked what the job costs it, tablesEvery how often for
// tables made since the plan: that reads its whole catalog.
const (
	watchEvery  = 2 * time.Second
	tablesEvery = time.Minute
)

// watch keeps status current about the source: its end of WAL, the slot, new tables. It only looks;
// what goes wrong here shows elsewhere.
func (j *job) watch(ctx context.Context) error {
	var conn *pg.Conn
	defer func() { closeConn(conn) }()
	var looked time.Time
	for {
		var err error
		if conn == nil || conn.Raw().IsClosed() {
			conn, err = j.source.Connect(ctx, "watch")
		}
		if err == nil {
			err = j.look(ctx, conn)
		}
		if err == nil && time.Since(looked) > tablesEvery {
			err, looked = j.lookForTables(ctx, conn), time.Now()
		}
		if err != nil && ctx.Err() == nil {
			j.log.Debug("look at the source", "error", err)
		}
		if pg.Pause(ctx, watchEvery) != nil {
			return nil
		}
	}
}

func (j *job) look(ctx context.Context, conn *pg.Conn) error {
	st, err := slot.Inspect(ctx, conn, j.rec.Slot)
	if err != nil {
		return err
	}
	row, err := conn.Row(ctx, `SELECT pg_current_wal_lsn(),
		coalesce((SELECT max(extract(epoch FROM now() - xact_start)) FROM pg_stat_activity
			WHERE starts_with(application_name, $1) AND backend_xmin IS NOT NULL), 0)`, j.source.Name())
	if err != nil {
		return err
	}
	now, err := wal.ParseLSN(row[0])
	if err != nil {
		return err
	}
	age, err := strconv.ParseFloat(row[1], 64)
	if err != nil {
		return err
	}
	j.tracker.Update(func(s *status.Status) {
		s.Source = status.Source{Retained: st.Retained, SafeSize: st.SafeSize, SlotState: st.WALStatus, CurrentLSN: now, SnapshotAge: age}
		s.Log.Bytes, s.Log.Full = j.changes.Size(), j.changes.Full()
	})
	return nil
}

// lookForTables names what is copied at the fence: planned late tables, and tables made after the plan.
func (j *job) lookForTables(ctx context.Context, conn *pg.Conn) error {
	var names []string
	for i := range j.planned {
		if j.planned[i].Late() {
			names = append(names, j.planned[i].String())
		}
	}
	made, err := j.newTables(ctx, conn)
	for i := range made {
		names = append(names, made[i].String())
	}
	if err == nil {
		j.tracker.Update(func(s *status.Status) { s.Late = names })
	}
	return err
}
