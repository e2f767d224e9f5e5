package replicator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/wal"
)

// publishedRecord is the publication as it was when the slot was made.
type publishedRecord struct {
	Slot wal.LSN                `json:"slot"` // where that slot begins
	Mark source.PublicationMark `json:"mark"`
}

// checkPublication refuses a publication that is no longer what it was: somebody has dropped or altered
// it, and nothing in the stream tells which changes did not come. It is asked before every connection
// of the stream, now and then while one stands, before a fence and behind it.
func (j *job) checkPublication(ctx context.Context, conn *pg.Conn) error {
	now, err := source.MarkPublication(ctx, conn, j.rec.Publication)
	if err != nil {
		return err
	}
	var was publishedRecord
	found, err := j.store.Get(keyPublished, &was)
	if err != nil {
		return err
	}
	if !found || was.Slot != j.begin {
		was = publishedRecord{}
	}
	if was.Mark.OID == 0 && now.OID != 0 {
		if err := source.EnsurePublication(ctx, conn, j.rec.Publication, j.published()); err != nil {
			return err
		}
		return j.store.Put(keyPublished, publishedRecord{j.begin, now})
	}
	lost, err := was.Mark.Lost(now, func(tables []uint32) ([]string, error) { return existing(ctx, conn, tables) })
	if err != nil || lost == "" {
		return err
	}
	return &changedError{fault.New(fault.PositionLost, fmt.Errorf("publication %s %s: changes are missing that nobody can name", j.rec.Publication, lost),
		"replicator seed --reuse begins anew with what the target holds; drop the publication before, unless it is the plan's")}
}

// existing are the names of those of the tables that there are.
func existing(ctx context.Context, conn *pg.Conn, tables []uint32) (names []string, err error) {
	oids := strings.ReplaceAll(strings.Trim(fmt.Sprint(tables), "[]"), " ", ",")
	rows, err := conn.Query(ctx, "SELECT oid::regclass::text FROM pg_class WHERE oid = ANY ($1::oid[]) ORDER BY 1", "{"+oids+"}")
	if err != nil {
		return nil, fmt.Errorf("look for published tables: %w", err)
	}
	for _, r := range rows {
		names = append(names, r[0])
	}
	return names, nil
}

// lookAtPublication ends the run when the publication has changed. While a catch-up is under way it
// looks for itself.
func (w *watcher) lookAtPublication(ctx context.Context) error {
	writes, err := w.conn.Value(ctx, "SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_sys_tables WHERE relid IN ('pg_publication'::regclass, 'pg_publication_rel'::regclass)")
	if err != nil || writes == w.publications {
		return err
	}
	err = w.checkPublication(ctx, w.conn)
	if err == nil {
		w.publications = writes
	}
	if !errors.As(err, new(*changedError)) {
		return err
	}
	if !w.busy.TryLock() {
		return nil
	}
	w.busy.Unlock()
	return err
}
