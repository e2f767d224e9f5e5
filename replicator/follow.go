package replicator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"time"

	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/target"
	"replicator/wal"
	"replicator/wal/slot"
)

// follow applies the change log until the marker until ("" is until ctx ends). filtered says that
// the consistent point is not reached: changes are judged by the snapshots of the chunks.
func (j *job) follow(ctx context.Context, until string, filtered bool) error {
	for {
		var recopy *apply.RecopyError
		err := j.persist(ctx, workApply, func() error {
			err := j.applyOnce(ctx, until, 0, filtered)
			if errors.As(err, &recopy) {
				return nil
			}
			return j.outlastRefusal(ctx, err, until)
		})
		if err != nil || recopy == nil {
			return err
		}
		// From here on a snapshot may be younger than the marker, whoever is killed where.
		if err := j.store.Delete(keyMarker); err != nil {
			return err
		}
		if err := j.recopy(ctx, recopy); err != nil {
			return err
		}
		marker, err := j.markConsistent(ctx)
		if err != nil {
			return err
		}
		until = marker.Content
	}
}

// workApply is what logs and status call it.
const workApply = "apply"

// applyOnce is one call of the target end, from where the target says it stands (I7), to the marker
// until or the end of a commit, stop.
func (j *job) applyOnce(ctx context.Context, until string, stop wal.LSN, filtered bool) error {
	applied, err := j.end.Applied(ctx)
	if err != nil {
		return err
	}
	j.tracker.Resumed(workApply)
	j.tracker.Stands(applied)
	from := max(j.toldOf(applied), j.begin)
	carried, err := j.carriedTo()
	if err != nil {
		return err
	}
	pinned, err := j.pinned()
	if err != nil {
		return err
	}
	cfg := target.FollowConfig{Tables: j.published(), Until: until, Stop: stop, DDL: j.carries(), Carried: carried, Late: j.lateTables(), Pinned: pinned}
	keep := wal.LSN(math.MaxUint64)
	if filtered {
		// The marker must be met again even if its transaction is applied already.
		keep = j.marker.LSN
		from, cfg.Chunks, cfg.Skip = min(from, keep), j.judged(), j.passed()
		if noted, any := j.noted(); any {
			keep = min(keep, noted)
		}
	}
	src, err := j.changes.Reader(from)
	if err != nil {
		return err
	}
	defer src.Close()
	call := &applying{base: j.appliedSums(), keep: keep}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var failed error
	cfg.Report = func(p apply.Progress) {
		if failed == nil {
			failed = j.takeCarried(p.Carried)
		}
		if failed != nil {
			cancel(failed) // nothing of this call counts: what is committed on the target is found again
			return
		}
		j.report(call, p)
	}
	_, err = j.end.Follow(ctx, cfg, src)
	return cmp.Or(failed, err)
}

// toldOf is applied, or where this run was told last that the target stands, if that is before it: a link that
// breaks takes along what the target end has to say of its last windows. They are passed once more, and skipped there,
// for the markers in them that somebody may wait for and for how many they are.
func (j *job) toldOf(applied wal.LSN) wal.LSN {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.applied == 0 {
		return applied
	}
	return min(applied, j.applied)
}

// outlastRefusal has a job that follows go on when the other site refuses it, as with a certificate that
// has expired: its changes are safe in the change log, and the source may forget its WAL meanwhile.
// Who has to act is told by status and the log.
func (j *job) outlastRefusal(ctx context.Context, err error, until string) error {
	if until != "" || pg.Lost(err) || fault.CodeOf(err) != fault.Link {
		return err
	}
	j.log.Error("the other site refuses the link: changes are kept here until that is mended", "error", err, "hint", fault.HintOf(err))
	if perr := pg.Pause(ctx, retryMost); perr != nil {
		return perr
	}
	return fmt.Errorf("%w: %w", errPassing, err)
}

// sums is what was applied in earlier calls of this run.
type sums struct {
	transactions, changes int64
	missed                map[string]int64
	since                 int64 // transactions with row changes since the last marker
}

// applying is one call of the target end.
type applying struct {
	base  sums
	keep  wal.LSN // the log is not trimmed from here on
	first string  // the first marker that this call met: what it counts before it goes on from base
}

// report takes in what apply has committed: positions move, waiters wake, the log is trimmed.
func (j *job) report(call *applying, p apply.Progress) {
	total := sums{call.base.transactions + p.Transactions, call.base.changes + p.Changes, map[string]int64{}, p.TransactionsSinceMarker}
	maps.Copy(total.missed, call.base.missed)
	for t, n := range p.Missed {
		total.missed[j.planned()[t].String()] += n
	}
	for content, lsn := range p.Markers {
		if call.first == "" || lsn < p.Markers[call.first] {
			call.first = content
		}
	}
	if call.first == "" {
		total.since += call.base.since
	}
	j.tracker.Applied(p.Applied, p.CommitTime, total.transactions, total.changes, total.missed)
	j.mu.Lock()
	j.total = total
	j.applied = max(j.applied, p.Applied)
	for content, lsn := range p.Markers {
		m := markerSeen{LSN: lsn, Foreign: p.Before[content]}
		if content == call.first {
			m.Foreign += call.base.since
		}
		j.markers[content] = m
	}
	close(j.moved)
	j.moved = make(chan struct{})
	trim := time.Since(j.trimmed) > trimEvery
	if trim {
		j.trimmed = time.Now()
	}
	j.mu.Unlock()
	if trim {
		if err := j.changes.TrimBefore(min(p.Applied, call.keep)); err != nil {
			j.log.Warn("trim the change log", "error", err)
		}
	}
}

// trimEvery spares the directory: trimming looks at every segment.
const trimEvery = time.Second

func (j *job) appliedSums() sums {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.total
}

// recopy reads a chunk again in which a row is missing a TOAST value: an UPDATE brought the row here
// from a chunk that was read later and did not carry the value. The new snapshot must show every
// transaction that was applied to the chunk before, so everything that runs now has to end first.
func (j *job) recopy(ctx context.Context, e *apply.RecopyError) error {
	t, chunk := &j.tables[e.Table], &j.chunks[e.Table][e.Chunk]
	j.log.Info("chunk is copied again", "table", t.String(), "chunk", chunk.Ordinal)
	return j.persist(ctx, fmt.Sprintf("chunk %d of %s again", chunk.Ordinal, t), func() error {
		l := newLender(j.source, 1)
		defer l.close()
		conn, err := l.take(ctx, "copy "+t.Name)
		if err != nil {
			return err
		}
		defer conn.giveBack()
		v, err := conn.Value(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())")
		if err != nil {
			return err
		}
		xmax, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return err
		}
		err = slot.AwaitRunning(ctx, conn.Conn, xmax, func(b []slot.Blocker) {
			j.tracker.Wait("a chunk that is copied again waits for " + slot.Describe(b))
		})
		if err != nil {
			return err
		}
		r, err := j.copyChunk(ctx, conn, nil, t, chunk, "", true) // nobody applies meanwhile
		if err != nil {
			return err
		}
		return j.store.PutReceipt(*r)
	})
}

// markConsistent writes the marker whose commit is the consistent point: whatever a chunk has seen
// committed before it.
func (j *job) markConsistent(ctx context.Context) (markerRecord, error) {
	m := markerRecord{Content: "consistent " + j.rec.Job + " " + strconv.FormatInt(time.Now().UnixNano(), 36)}
	err := j.persist(ctx, "write the marker", func() error {
		conn, err := j.source.Connect(ctx, "marker")
		if err != nil {
			return err
		}
		defer conn.Close()
		m.LSN, err = source.Mark(ctx, conn, m.Content)
		return err
	})
	if err != nil {
		return m, err
	}
	j.marker = m
	return m, j.store.Put(keyMarker, m)
}

// reach writes a marker and waits until the target has applied everything before it.
func (j *job) reach(ctx context.Context, name string) (markerSeen, error) {
	content := name + " " + j.rec.Job + " " + strconv.FormatInt(time.Now().UnixNano(), 36)
	conn, err := j.source.Connect(ctx, "marker")
	if err != nil {
		return markerSeen{}, err
	}
	defer conn.Close()
	if _, err := source.Mark(ctx, conn, content); err != nil {
		return markerSeen{}, fault.New(fault.Source, err, "")
	}
	for {
		j.mu.Lock()
		m, ok := j.markers[content]
		moved := j.moved
		j.mu.Unlock()
		if ok {
			return m, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return markerSeen{}, context.Cause(ctx)
		}
	}
}
