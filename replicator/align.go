package replicator

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/target"
	"replicator/wal"
	"replicator/wal/changelog"
	"replicator/wal/pgoutput"
)

// meeting is a snapshot of each side, both of which show the same point of history.
type meeting struct {
	lsn    wal.LSN  // end of the last commit that both show
	keeper *pg.Conn // of the source's snapshot
	pen    *pg.Conn // for markers
	export string   // of the source's snapshot
	view   target.View

	readers *lender // of sessions that read the source under the snapshot
}

// close ends both snapshots, and the sessions that read under them, which nobody uses any more.
func (m *meeting) close(ctx context.Context) {
	closeConn(m.keeper)
	closeConn(m.pen)
	m.keeper, m.pen = nil, nil
	if m.readers != nil {
		m.readers.close()
		m.readers = nil
	}
	if m.view != nil {
		_ = m.view.Close(context.WithoutCancel(ctx))
		m.view = nil
	}
}

// arrange opens the sessions on the source, so that nobody stands still for that.
func (j *job) arrange(ctx context.Context, m *meeting) (err error) {
	if m.readers == nil {
		m.readers = newLender(j.source, j.o.Jobs)
	}
	for _, c := range []**pg.Conn{&m.keeper, &m.pen} {
		if *c != nil && !(*c).Raw().IsClosed() {
			continue
		}
		if *c, err = j.source.Connect(ctx, "verify"); err != nil {
			return err
		}
	}
	return nil
}

// errNotPrefix says that the source's snapshot shows a transaction and not one that committed before
// it: there is no point in the stream of changes that equals it. That happens for a moment while a
// commit is on disk and not yet visible; the next snapshot is taken a little later.
var errNotPrefix = errors.New("the source's snapshot is no point of its commit history")

// meetTries is how often a snapshot that is no prefix is replaced before that is an error.
const meetTries = 50

// meet brings both sides to one point. Nobody else may apply meanwhile.
func (j *job) meet(ctx context.Context, m *meeting, tables []*chunker.Table) error {
	return j.persist(ctx, "bring both sides to one point", func() error {
		for try := 1; ; try++ {
			err := j.meetOnce(ctx, m, tables)
			if err == nil || !errors.Is(err, errNotPrefix) || try == meetTries {
				return err
			}
			j.log.Debug("snapshot is taken again", "try", try)
			if err := pg.Pause(ctx, time.Duration(try)*time.Millisecond); err != nil {
				return err
			}
		}
	})
}

// meetOnce takes a snapshot of the source and then a marker, applies exactly the transactions that the
// snapshot shows, and takes a snapshot of the target.
func (j *job) meetOnce(ctx context.Context, m *meeting, tables []*chunker.Table) error {
	if err := j.arrange(ctx, m); err != nil {
		return err
	}
	from, err := j.end.Applied(ctx)
	if err != nil {
		return err
	}
	snap, err := m.look(ctx, tables)
	if err != nil {
		return err
	}
	late, err := committed(ctx, m.keeper, snap)
	if err != nil {
		return err
	}
	marker := "verify " + j.rec.Job + " " + strconv.FormatInt(time.Now().UnixNano(), 36)
	if _, err := source.Mark(ctx, m.pen, marker); err != nil {
		return fault.New(fault.Source, err, "")
	}
	if m.lsn, err = j.prefix(ctx, from, snap, late, marker); err != nil {
		return err
	}
	if m.lsn > from {
		if err := j.applyOnce(ctx, "", m.lsn, false); err != nil {
			return err
		}
	}
	m.view, err = j.end.View(ctx, tables)
	return err
}

// look takes the source's snapshot. A transaction id of our own comes and goes before it: so every
// transaction that began before, and may be applied already, stands below the snapshot's xmax, and
// among the running ones if the snapshot does not show it.
func (m *meeting) look(ctx context.Context, tables []*chunker.Table) (snap wal.Snapshot, err error) {
	if err := m.keeper.Exec(ctx, "ROLLBACK"); err != nil { // of an attempt before
		return snap, err
	}
	if _, err := m.keeper.Value(ctx, "SELECT pg_current_xact_id()"); err != nil {
		return snap, fmt.Errorf("take a transaction id: %w", err)
	}
	m.export, snap, err = chunker.Export(ctx, m.keeper, tables, source.LockTimeout)
	return snap, err
}

// committed are transactions that the snapshot does not show although they had committed when it was
// taken, or a moment later.
func committed(ctx context.Context, conn *pg.Conn, snap wal.Snapshot) (map[uint32]bool, error) {
	late := map[uint32]bool{}
	if len(snap.Xip) == 0 {
		return late, nil
	}
	ids := make([]string, len(snap.Xip))
	for i, x := range snap.Xip {
		ids[i] = strconv.FormatUint(x, 10)
	}
	rows, err := conn.Query(ctx, "SELECT x FROM unnest($1::xid8[]) x WHERE pg_xact_status(x) = 'committed'", "{"+strings.Join(ids, ",")+"}")
	if err != nil {
		return nil, fmt.Errorf("look at running transactions: %w", err)
	}
	for _, r := range rows {
		x, err := strconv.ParseUint(r[0], 10, 64)
		if err != nil {
			return nil, err
		}
		late[uint32(x)] = true
	}
	return late, nil
}

// prefix reads the change log from what is applied to the marker and finds the end of the transactions
// that the snapshot shows. late are those that committed around it: each must be met, or it was
// applied although the snapshot does not show it.
func (j *job) prefix(ctx context.Context, from wal.LSN, snap wal.Snapshot, late map[uint32]bool, marker string) (wal.LSN, error) {
	r, err := j.changes.Reader(max(from, j.begin))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	w := &prefixWalk{from: from, end: from, snap: snap, late: late, marker: marker}
	for !w.met {
		if _, err := r.Next(ctx); err != nil {
			return 0, err
		}
		if err := changelog.Records(r.Raw(), w.record); err != nil {
			return 0, err
		}
	}
	if w.broken || len(late) > 0 {
		return 0, errNotPrefix
	}
	return w.end, nil
}

// prefixWalk walks over transactions in the order of their commits.
type prefixWalk struct {
	from   wal.LSN
	snap   wal.Snapshot
	late   map[uint32]bool
	marker string

	msg    pgoutput.Message
	xid    uint32
	inside bool
	hidden bool    // a transaction was met that the snapshot does not show
	broken bool    // and then one that it shows
	end    wal.LSN // of the last one before that
	met    bool    // the marker
}

func (w *prefixWalk) record(lsn wal.LSN, kind changelog.RecordKind, msg []byte) error {
	if kind == changelog.Restart {
		w.inside = false
		return nil
	}
	switch k := pgoutput.Kind(msg); {
	case kind != changelog.Message || w.met || k != 'B' && k != 'C' && k != 'M':
		return nil
	}
	if err := pgoutput.Decode(msg, &w.msg); err != nil {
		return fmt.Errorf("change log at %s: %w", lsn, err)
	}
	switch w.msg.Kind {
	case 'B':
		w.xid, w.inside = w.msg.Begin.XID, true
	case 'M':
		w.met = string(w.msg.Content) == w.marker
	case 'C':
		if w.inside && w.msg.Commit.EndLSN > w.from {
			w.committed(w.msg.Commit.EndLSN)
		}
		w.inside = false
	}
	return nil
}

func (w *prefixWalk) committed(end wal.LSN) {
	delete(w.late, w.xid)
	switch {
	case !w.snap.Sees(w.xid):
		w.hidden = true
	case w.hidden:
		w.broken = true
	default:
		w.end = end
	}
}
