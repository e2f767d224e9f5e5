package replicator

import (
	"context"
	"fmt"

	"replicator/replicator/fault"
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
