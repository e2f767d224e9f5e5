package replicator

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"replicator/replicator/pg"
	"replicator/replicator/status"
	"replicator/wal"
	"replicator/wal/slot"
)

// watchEvery is how often the source is asked what the job costs it, tablesEvery how often for
// tables made since the plan, alarmEvery how often an alarm is repeated.
const (
	watchEvery  = 2 * time.Second
	tablesEvery = time.Minute
	alarmEvery  = time.Minute
)

// watcher keeps status current about the source: its end of WAL, the slot, new tables. It only
// looks, and what goes wrong here shows elsewhere; but a followed table that was changed ends the run.
type watcher struct {
	*job
	conn    *pg.Conn
	tables  string    // what the catalog looked like when it was read last
	looked  time.Time // when
	alarmed time.Time

	sought time.Time     // when planned tables were looked at last
	rest   time.Duration // until they may be looked at again
	writes string        // to the catalog, as it was counted then

	publications string // writes to those, likewise
}

// watch looks until ctx ends.
func (j *job) watch(ctx context.Context) error {
	w := &watcher{job: j}
	defer func() { closeConn(w.conn) }()
	for {
		err := w.once(ctx)
		if changed := (*changedError)(nil); errors.As(err, &changed) {
			return changed
		}
		if err != nil && ctx.Err() == nil {
			j.log.Debug("look at the source", "error", err)
		}
		if pg.Pause(ctx, watchEvery) != nil {
			return nil
		}
	}
}

func (w *watcher) once(ctx context.Context) error {
	if err := w.lookAtRates(); err != nil {
		return err
	}
	if w.conn == nil || w.conn.Raw().IsClosed() {
		conn, err := w.source.Connect(ctx, "watch")
		if err != nil {
			return err
		}
		w.conn = conn
	}
	if err := w.look(ctx); err != nil {
		return err
	}
	if err := w.lookForChanges(ctx); err != nil {
		return err
	}
	if err := w.lookAtPublication(ctx); err != nil {
		return err
	}
	if time.Since(w.looked) < tablesEvery {
		return nil
	}
	w.looked = time.Now()
	return w.lookForTables(ctx)
}

// look reads what the slot holds back and how long we hold a snapshot.
func (w *watcher) look(ctx context.Context) error {
	st, err := slot.Inspect(ctx, w.conn, w.rec.Slot)
	if err != nil {
		return err
	}
	row, err := w.conn.Row(ctx, `SELECT pg_current_wal_lsn(),
		coalesce((SELECT max(extract(epoch FROM now() - xact_start)) FROM pg_stat_activity
			WHERE starts_with(application_name, $1) AND backend_xmin IS NOT NULL), 0)`, w.source.Name())
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
	w.tracker.Update(func(s *status.Status) {
		s.Source = status.Source{Retained: st.Retained, SafeSize: st.SafeSize, SlotState: st.WALStatus, CurrentLSN: now, SnapshotAge: age}
		s.Log.Bytes, s.Log.Full = w.changes.Size(), w.changes.Full()
	})
	w.alarm(st)
	return nil
}

// alarm warns of WAL that piles up on the source: beyond the budget, or when the server is about to
// take the slot's WAL away (invariant I9).
func (w *watcher) alarm(st slot.State) {
	scarce := st.SafeSize >= 0 && st.SafeSize < st.Retained/4
	if !scarce && st.Retained <= w.o.RetainBudget || time.Since(w.alarmed) < alarmEvery {
		return
	}
	w.alarmed = time.Now()
	w.log.Warn("WAL piles up on the source", "retained", st.Retained, "safe", st.SafeSize, "slot", w.rec.Slot)
	w.tracker.Fail(fmt.Errorf("the source retains %d MiB of WAL for slot %s", st.Retained>>20, w.rec.Slot))
}

// lookForTables names what is copied at the fence: planned late tables, and tables made after the
// plan. The whole catalog is read only when the number of tables, the newest of them or the plan has changed.
func (w *watcher) lookForTables(ctx context.Context) error {
	looks, err := w.conn.Value(ctx, "SELECT count(*) || ' ' || coalesce(max(oid::bigint), 0) FROM pg_class WHERE relkind = 'r' AND relpersistence <> 't'")
	looks = fmt.Sprintf("%s %p", looks, w.nowPlan.Load()) // a statement that is carried makes another plan
	if err != nil || looks == w.tables {
		return err
	}
	made, err := w.newTables(ctx, w.conn)
	if err != nil {
		return err
	}
	var names []string
	for i := range w.planned() {
		if w.planned()[i].Late() && !w.planned()[i].Gone {
			names = append(names, w.planned()[i].String())
		}
	}
	for i := range made {
		names = append(names, made[i].String())
	}
	w.tables = looks
	w.tracker.Update(func(s *status.Status) { s.Late = names })
	return nil
}
