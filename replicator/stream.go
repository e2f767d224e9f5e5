package replicator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/slot"
	"replicator/wal/stream"
)

// stream keeps the change log fed until ctx ends. Before every connection it makes sure that the
// slot still has what we have not (invariant I10): the server would skip it without a word.
func (j *job) stream(ctx context.Context) error {
	if err := j.recallStreaming(); err != nil {
		return err
	}
	failed, reached := 0, j.changes.Durable()
	ahead := streaming{job: j}
	const work = "stream"
	err := j.persist(ctx, work, func() error {
		if err := j.checkSlot(ctx); err != nil {
			return err
		}
		j.tracker.Resumed(work)
		var spell func(context.Context, []byte) ([]byte, error)
		if slices.ContainsFunc(j.planned(), func(t chunker.Table) bool { return t.Named && !t.Late() }) && !textStream(j.planned()) {
			n := newNaming(func(ctx context.Context) (*pg.Conn, error) { return j.source.Connect(ctx, "names") })
			defer n.close()
			spell = n.spell
		}
		err := stream.Run(ctx, stream.Config{
			Connect: j.source.ConnectReplication, Slot: j.rec.Slot, Publication: j.rec.Publication,
			Binary: !textStream(j.planned()), Spell: spell, Log: j.changes, Spool: j.spool, Streaming: ahead.on(),
			Confirm: j.confirmable, Logger: j.log, Hook: j.o.Hook,
			Progress: func(p stream.Progress) { j.tracker.Received(p.Received, p.Durable, p.LastCommit) },
		})
		ahead.ended(err)
		if pg.State(err) == "42704" { // undefined_object: the publication
			return errors.Join(j.checkSlot(ctx), err)
		}
		if pg.State(err) != "XX000" {
			return err
		}
		if now := j.changes.Durable(); now > reached {
			failed, reached = 0, now
		}
		if failed++; failed > decodeTries {
			return fault.New(fault.Source, err, "the source cannot decode its WAL from there: look into its server log")
		}
		return fmt.Errorf("%w: %w", errPassing, err)
	})
	if interrupted(ctx, err) {
		return nil
	}
	return err
}

// decodeTries is how often in a row the source may fail by an internal error without getting any
// further. A walsender that starts while the server has just recovered from a crash may; one that
// cannot decode its WAL always does. Nothing is lost by asking again: the slot keeps the WAL.
const decodeTries = 10

// errPassing marks an error that may go away by itself.
var errPassing = errors.New("may pass")

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
	if err := j.source.Same(system); err != nil {
		return err
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
	if err := slot.Check(st, j.changes.Durable()); err != nil {
		return err
	}
	return j.checkPublication(ctx, conn)
}

// plainBelow is how large a change log may be whose frames are left as they are. They go to the target's
// end as they lie on disk, so where that is another machine every byte is worth packing.
func plainBelow(remote bool) int64 {
	if remote {
		return 0
	}
	return 256 << 20
}
