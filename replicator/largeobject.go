package replicator

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/largeobject"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// Large objects go in rounds beside everything else, see package largeobject: the first copies them, the
// following keep them current, and a last one at the fence makes both sides equal.

// Unless Options.ObjectsEvery says otherwise a round is followed by a pause of objectsShare times its
// length, which bounds what rounds take of the source's time, and of objectsPause at least. objectsJobs is
// how many sessions a round has on each side, but at the fence.
const (
	objectsShare = 20
	objectsPause = 30 * time.Second
	objectsJobs  = 2
)

// objectsRecord is what is known of the large objects of both sides.
type objectsRecord struct {
	Parts  []largeobject.Part `json:"parts"`
	Rounds int                `json:"rounds"` // that ended
	At     time.Time          `json:"at"`     // when the last one did
}

// objects are the rounds of a job.
type objects struct {
	*job
	turn  chan struct{} // has one token: who holds it runs a round
	first chan struct{} // closed once every object was copied once

	held bool // the catch-up has the turn; its alone

	mu      sync.Mutex
	wanted  bool               // the catch-up waits for the turn
	yield   context.CancelFunc // ends the round that runs in the background
	failed  error              // of the last round in the background
	claimed bool               // the target's large objects are ours
	written int64              // objects, by this run
	removed int64
	bytes   int64
}

func newObjects(j *job) *objects {
	o := &objects{job: j, turn: make(chan struct{}, 1), first: make(chan struct{}), yield: func() {}}
	o.turn <- struct{}{}
	return o
}

// run does rounds until ctx ends. A round that fails after all objects were copied once does not end the
// job: status tells, the next round tries again, and the fence insists.
func (o *objects) run(ctx context.Context) error {
	if !o.rec.LargeObjects {
		return o.leftOut(ctx)
	}
	if err := o.begin(); err != nil {
		return err
	}
	for {
		began := time.Now()
		err := o.background(ctx)
		o.mu.Lock()
		o.failed = err
		o.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && (!o.copied() || !theirs(err)):
			return err
		case err != nil:
			o.log.Error("round of large objects", "error", err)
			o.tracker.Fail(err)
		}
		pause := objectsPause
		if err == nil { // else somebody mends it, and waits
			pause = max(pause, objectsShare*time.Since(began))
		}
		if err := pg.Pause(ctx, cmp.Or(o.o.ObjectsEvery, pause)); err != nil {
			return err
		}
	}
}

// theirs says of an error that it is a database's, where somebody may mend what it speaks of.
func theirs(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Preflight, fault.Source, fault.Target:
		return true
	}
	return pg.State(err) != ""
}

// copied reports whether all objects were copied once.
func (o *objects) copied() bool {
	select {
	case <-o.first:
		return true
	default:
		return false
	}
}

// leftOut names what a job does not carry.
func (o *objects) leftOut(ctx context.Context) error {
	close(o.first)
	return o.persist(ctx, "count large objects", func() error {
		conn, err := o.source.Connect(ctx, "large objects")
		if err != nil {
			return err
		}
		defer conn.Close()
		n, err := conn.Value(ctx, "SELECT count(*) FROM pg_largeobject_metadata")
		if err == nil && n != "0" {
			o.note(n + " large objects are not moved: see --large-objects")
		}
		return err
	})
}

// ours fails where the target has large objects before we have written any, or another job moves some there:
// a round would remove them.
var ours = schema.Step{ID: "LARGE OBJECTS", Kind: "LARGE OBJECTS", Name: "begin", SQL: `DO $$ BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata) OR (SELECT count(*) > 1 FROM replicator.step WHERE step = 'LARGE OBJECTS') THEN
		RAISE duplicate_object;
	END IF;
END $$`}

// claim takes the target's large objects over, before the first write. Those of a target that is used again
// are ours.
func (o *objects) claim(ctx context.Context) error {
	o.mu.Lock()
	claimed := o.claimed || o.reuses
	o.mu.Unlock()
	if claimed {
		return nil
	}
	_, err := o.end.Step(ctx, &ours)
	if pg.State(err) == "42710" {
		return fault.New(fault.Preflight, errors.New("the target has large objects that are not this job's, and a round would remove them"),
			"move into a database of its own, or leave them alone with --large-objects no")
	}
	o.mu.Lock()
	o.claimed = err == nil
	o.mu.Unlock()
	return err
}

// begin looks whether all objects were copied once.
func (o *objects) begin() error {
	var r objectsRecord
	if _, err := o.store.Get(keyObjects, &r); err != nil {
		return err
	}
	if r.Rounds > 0 {
		close(o.first)
	}
	return nil
}

// errYielded ends a round in the background when the fence wants its turn.
var errYielded = errors.New("the round is over: the fence goes first")

// background does one round, unless the fence does one.
func (o *objects) background(ctx context.Context) error {
	select {
	case <-o.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer o.release()
	rctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !o.mayBegin(func() { cancel(errYielded) }) {
		return nil
	}
	_, err := o.round(rctx, roundOptions{jobs: min(objectsJobs, o.o.Jobs)})
	if errors.Is(context.Cause(rctx), errYielded) {
		return nil
	}
	if err == nil && !o.copied() {
		close(o.first)
		o.log.Info("all large objects are copied")
	}
	return err
}

// mayBegin tells how the round in the background is ended, unless the catch-up waits.
func (o *objects) mayBegin(yield func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.yield = yield
	return !o.wanted
}

// want says whether the catch-up waits; then a round in the background ends.
func (o *objects) want(wanted bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wanted = wanted; wanted {
		o.yield()
	}
}

// takeTurn ends a round in the background and takes the turn, unless the catch-up has it.
func (o *objects) takeTurn(ctx context.Context) error {
	if o.held {
		return nil
	}
	o.want(true)
	defer o.want(false)
	select {
	case <-o.turn:
		o.held = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release gives the turn back.
func (o *objects) release() { o.turn <- struct{}{} }

// awaitCopied waits until all objects were copied once.
func (o *objects) awaitCopied(ctx context.Context) error {
	select {
	case <-o.first:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// show tells status about a round: how far it is, or how it ended.
func (o *objects) show(t tally, rec objectsRecord, parts int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := status.LargeObjects{
		Objects: t.objects, Bytes: t.bytes, Ranges: parts, Looked: t.parts, Different: t.written + t.altered + t.removed,
		Written: o.written, Removed: o.removed, Copied: o.bytes, Rounds: rec.Rounds, Last: rec.At, Seconds: t.seconds,
	}
	o.tracker.Update(func(st *status.Status) { st.LargeObjects = &s })
}
