package replicator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// Seed begins a job or goes on with it: copy, consistent point, follow, until ctx ends (code
// fault.Interrupted; the same call resumes), the end that Options.Until names, or the target's
// opening by a catch-up (both nil).
func Seed(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	j, err := open(ctx, o, true)
	if err != nil {
		return err
	}
	return finish(ctx, j, j.run(ctx, nil))
}

// finish closes the job and says how the run ended.
func finish(ctx context.Context, j *job, err error) error {
	stopped := ctx.Err() != nil && (err == nil || interrupted(ctx, err))
	if err != nil && !stopped {
		err = j.explain(ctx, err)
		j.fail(err)
	}
	err = errors.Join(err, j.Close())
	if stopped {
		return fault.New(fault.Interrupted, errors.New("told to stop; nothing is lost"), "the same command goes on where it was")
	}
	return err
}

// fail keeps the error for status.
func (j *job) fail(err error) {
	j.tracker.Fail(err)
	if fault.CodeOf(err) == fault.Fenced {
		return // the job is another engine's now, and so is its status
	}
	if err := j.store.Put(keyFailure, failure{At: time.Now().UTC(), Error: err.Error(), Code: fault.CodeOf(err)}); err != nil {
		j.log.Error("keep the error for status", "error", err)
	}
}

// errEnd ends a run that has done what it was for.
var errEnd = errors.New("the run is over")

// run is one run of the job. action, if there is one, is what the run is for: it is called once the
// target follows, and the run ends with it.
func (j *job) run(ctx context.Context, action func(context.Context) error) error {
	if err := j.store.Delete(keyFailure); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return j.serve(ctx) })
	if j.o.OnTracker != nil {
		j.o.OnTracker(j.tracker)
	}
	j.warnReadable()
	g.Go(func() error {
		err := j.order(ctx, g, action)
		if err == nil {
			return errEnd
		}
		return err
	})
	err := g.Wait()
	j.keepStatus()
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// order is the order of work of DESIGN.md section 4. Every step looks at what is there already, so
// that a run that was killed anywhere goes on.
func (j *job) order(ctx context.Context, g *errgroup.Group, action func(context.Context) error) error {
	p, err := j.phase()
	if err != nil {
		return err
	}
	if p == status.Open {
		j.tracker.SetPhase(p)
		j.log.Info("the target is open: nothing is left to do")
		return nil
	}
	err = j.begun(ctx)
	if err != nil {
		err = j.reuseAfter(ctx, err)
	}
	if errors.Is(err, errEnd) {
		return nil
	}
	if err != nil {
		return err
	}
	g.Go(func() error { return j.stream(ctx) })
	g.Go(func() error { return j.watch(ctx) })
	g.Go(func() error { return j.watchTarget(ctx) })
	g.Go(func() error { return j.objects.run(ctx) })
	consistent, err := j.copyPhase(ctx)
	if err != nil {
		return err
	}
	if j.o.Until == "copied" && action == nil {
		return j.objects.awaitCopied(ctx)
	}
	if consistent.Indexed {
		j.tracker.IndexesStand(j.stepsStanding())
	} else if err := j.consistentPhase(ctx, consistent); err != nil {
		return err
	}
	if err := j.resynced(); err != nil {
		return err
	}
	if j.o.Until == "consistent" && action == nil {
		return j.objects.awaitCopied(ctx)
	}
	return j.followPhase(ctx, action)
}

// begun does everything up to the first chunk.
func (j *job) begun(ctx context.Context) error {
	if p, err := j.phase(); err != nil {
		return err
	} else if p == status.Preparing {
		if err := j.setPhase(status.Preparing); err != nil {
			return err
		}
	}
	if err := j.persist(ctx, "look for the event triggers", func() error { return j.checkTriggers(ctx) }); err != nil {
		return err
	}
	if err := j.takeReuse(ctx); err != nil {
		return err
	}
	if err := j.persist(ctx, "make the manifest", func() error { return j.acknowledge(ctx) }); err != nil {
		return err
	}
	if err := j.persist(ctx, "plan", func() error { return j.plan(ctx) }); err != nil {
		return err
	}
	if err := j.takeOver(ctx); err != nil {
		return err
	}
	if err := j.source.EndStale(ctx); err != nil {
		return err
	}
	if err := j.persist(ctx, "read the schema", func() error { return j.prepareSchema(ctx) }); err != nil {
		return err
	}
	var s slotRecord
	err := j.persist(ctx, "make the slot", func() (err error) {
		s, err = j.ensureSlot(ctx)
		return err
	})
	if err != nil {
		return err
	}
	j.begin, j.met = s.Consistent, true
	if err := j.persist(ctx, "open the change log", func() error { return j.openLog(s) }); err != nil {
		return err
	}
	// Before anything is read: a server without our slot is not the one that was read before.
	return j.persist(ctx, "look at the slot", func() error { return j.checkSlot(ctx) })
}

// copyPhase moves the chunks and builds what tables get as they complete. It returns once the last
// chunk is read, the marker is written, and those indexes are there.
func (j *job) copyPhase(ctx context.Context) (consistentRecord, error) {
	var c consistentRecord
	if found, err := j.store.Get(keyConsistent, &c); err != nil || found {
		return c, err
	}
	if err := j.setPhase(status.Copying); err != nil {
		return c, err
	}
	if err := j.voidMarker(); err != nil {
		return c, err
	}
	x, xctx := j.newIndexer(ctx)
	var tables []*chunker.Table
	for i := range j.tables {
		if t := &j.tables[i]; !t.Late() && j.resyncs(t) {
			tables = append(tables, &j.tables[i])
		}
	}
	move := j.copyTables
	if j.reuses && (j.resync == nil || j.resync.All) {
		move = j.adoptTables
	}
	err := move(xctx, tables, func(t *chunker.Table) { x.table(xctx, t) })
	if err == nil {
		x.rest(xctx)
		err = j.ensureMarker(ctx)
	}
	if err == nil {
		err = j.setPhase(status.Indexing)
	}
	if werr := x.wait(); werr != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = werr
	}
	return c, err
}

// voidMarker forgets a marker that is older than chunks still to be read, as on a target that was
// set back: their snapshots would see what comes after it.
func (j *job) voidMarker() error {
	for i := range j.planned() {
		if !j.planned()[i].Late() && slices.Contains(j.received[i], false) {
			return j.store.Delete(keyMarker)
		}
	}
	return nil
}

func (j *job) ensureMarker(ctx context.Context) error {
	found, err := j.store.Get(keyMarker, &j.marker)
	if err != nil || found {
		return err
	}
	j.o.Hook("engine: before marker")
	_, err = j.markConsistent(ctx)
	return err
}

// consistentPhase applies the change log up to the consistent point, then makes what could not
// stand before it: rows read under different snapshots may hold the same unique value for a moment.
func (j *job) consistentPhase(ctx context.Context, c consistentRecord) error {
	if c.LSN.IsZero() {
		if err := j.setPhase(status.CatchingUp); err != nil {
			return err
		}
		if err := j.ensureMarker(ctx); err != nil {
			return err
		}
		if err := j.follow(ctx, j.marker.Content, true); err != nil {
			return err
		}
		j.mu.Lock()
		c = consistentRecord{LSN: j.applied, At: time.Now().UTC()}
		j.mu.Unlock()
		if err := j.store.Put(keyConsistent, c); err != nil {
			return err
		}
		j.log.Info("consistent point reached", "lsn", c.LSN)
	}
	if err := j.setPhase(status.Indexing); err != nil {
		return err
	}
	if err := j.constrain(ctx); err != nil {
		return err
	}
	c.Indexed = true
	return j.store.Put(keyConsistent, c)
}

// constrain makes the other unique indexes, then constraints, then foreign keys.
func (j *job) constrain(ctx context.Context) error {
	if err := j.inParallel(ctx, flatten(j.work.Unique, j.planned())); err != nil {
		return fmt.Errorf("build unique indexes: %w", err)
	}
	foreign, validate := j.work.Foreign, j.work.Validate
	if !j.replica {
		foreign, validate = nil, nil // they would fire while changes are applied: see finishSteps
	}
	quick, scanning := schema.Scanning(foreign)
	for _, steps := range [][]schema.Step{j.work.Constraints, quick} {
		if err := j.inOrder(ctx, "make constraints", steps); err != nil {
			return fmt.Errorf("make constraints: %w", err)
		}
		j.tracker.Update(func(s *status.Status) { s.Indexes.Built += len(steps) })
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return j.eachInOrder(gctx, scanning) })
	g.Go(func() error { return j.inParallel(gctx, validate) })
	if err := g.Wait(); err != nil {
		return fmt.Errorf("validate foreign keys: %w", err)
	}
	return nil
}

// followPhase applies until ctx ends, the action is through, or a catch-up has opened the target.
func (j *job) followPhase(ctx context.Context, action func(context.Context) error) error {
	t, err := j.newToucher()
	if err != nil {
		return err
	}
	notes, err := t.resume()
	if err != nil {
		return err
	}
	j.touch = t
	close(j.following) // before anybody can see the phase and ask for a catch-up
	phase := status.Following
	fenced, err := j.isFenced()
	if err != nil {
		return err
	}
	if fenced {
		phase = status.Fenced
	}
	if err := j.setPhase(phase); err != nil {
		return err
	}
	if fenced {
		j.tracker.Wait("a catch-up was interrupted: run replicator catchup again, or with --abort to lift the fence")
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return j.rounds(ctx) })
	g.Go(func() error { return j.touch.run(ctx, notes) })
	g.Go(func() error {
		if action != nil {
			if err := action(ctx); err != nil {
				return err
			}
			return errEnd
		}
		select {
		case <-j.opened:
			return errEnd
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	err = g.Wait()
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// flatten is the steps of all tables of the plan, in its order.
func flatten(byTable map[int][]schema.Step, tables []chunker.Table) []schema.Step {
	var steps []schema.Step
	for i := range tables {
		steps = append(steps, byTable[tables[i].Ordinal]...)
	}
	return steps
}
