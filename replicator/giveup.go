package replicator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// Giving up a catch-up. The source comes first: its fence is lifted whether or not the target can be
// reached, unless the target may be open (invariant I13). What the catch-up has made on the target,
// triggers above all, must be gone before another change is applied there; what that is stands in
// the store before it is made, so that it does not matter who is killed when.

var errTargetOpen = fault.New(fault.Preflight, errors.New("the target is open: the fence stays, so that never both sides take writes"),
	"to go back, stop whoever writes on the target, and lift the fence on the source by hand")

// Lift takes the fence back. It ends the phase Fenced, in which alone there is a fence.
func (f *finisher) Lift(ctx context.Context) error {
	defer f.standstill()()
	if err := f.mayLift(ctx); err != nil {
		return err
	}
	var m source.FenceMemory
	if found, err := f.store.Get(keyFence, &m); err != nil || !found {
		return err
	}
	err := f.persist(ctx, "lift fence", func() error {
		conn, err := f.source.ConnectAny(ctx, "lift fence")
		if err != nil {
			return err
		}
		defer conn.Close()
		return source.LiftFence(ctx, conn, m)
	})
	if err != nil {
		return err
	}
	if err := f.store.Delete(keyFence); err != nil {
		return err
	}
	if err := f.setPhase(status.Following); err != nil {
		return err
	}
	f.tidy(ctx)
	return nil
}

// tidyWait bounds what the wards' source no longer waits for.
const tidyWait = 10 * time.Second

// tidy takes back at once what is to be undone. If that cannot be, whoever applies next does it.
func (f *finisher) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tidyWait)
	defer cancel()
	noted, err := f.store.Get(keyUndo, new([]schema.Step))
	if err == nil && noted && !f.owns {
		_, err = f.end.Open(ctx, false)
	}
	if err == nil && noted {
		err = f.undone(ctx)
	}
	if err != nil {
		f.log.Warn("what the catch-up made on the target is taken back later", "error", err)
	}
}

// mayLift refuses when the target is open or may be. It asks only if an attempt had come so far,
// and raises the epoch, so that nothing which is still on its way can open the target afterwards.
func (f *finisher) mayLift(ctx context.Context) error {
	p, err := f.phase()
	if err != nil {
		return err
	}
	if p == status.Open {
		return errTargetOpen
	}
	if opening, err := f.store.Get(keyOpening, new(bool)); err != nil || !opening {
		return err
	}
	st, err := f.end.Open(ctx, false)
	f.owns = err == nil
	switch {
	case err != nil:
		return fault.New(fault.CodeOf(err), fmt.Errorf("whether the target is open is not known: %w", err),
			"the source stays fenced, so that never both sides take writes; run it again when the target can be reached")
	case st.Phase == string(status.Open):
		return errors.Join(errTargetOpen, f.setPhase(status.Open))
	}
	return f.store.Delete(keyOpening)
}

// abort lifts the fence of a catch-up that was interrupted. It needs no more than the source, however
// badly the job fares.
func (j *job) abort(ctx context.Context) error { return (&finisher{job: j}).Lift(ctx) }

// willUndo notes steps before they run for the fence.
func (j *job) willUndo(steps []schema.Step) error {
	var noted []schema.Step
	if _, err := j.store.Get(keyUndo, &noted); err != nil {
		return err
	}
	have := map[string]bool{}
	for i := range noted {
		have[noted[i].ID] = true
	}
	for i := range steps {
		if steps[i].Undo != "" && !have[steps[i].ID] {
			noted = append(noted, steps[i])
		}
	}
	return j.store.Put(keyUndo, noted)
}

// undone takes back what was noted, so that changes can be applied and a catch-up can begin anew.
func (j *job) undone(ctx context.Context) error {
	var steps []schema.Step
	if found, err := j.store.Get(keyUndo, &steps); err != nil || !found {
		return err
	}
	err := j.persist(ctx, "take back what a catch-up made", func() error { return j.end.Undo(ctx, steps) })
	if err != nil {
		return err
	}
	for i := range steps {
		j.ran.Delete(steps[i].ID)
	}
	return j.store.Delete(keyUndo)
}

// rounds follows until ctx ends or something fails.
func (j *job) rounds(ctx context.Context) error {
	defer close(j.still)
	for {
		if again, err := j.round(ctx); !again {
			return err
		}
	}
}

// round follows until somebody wants a standstill.
func (j *job) round(ctx context.Context) (again bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		err := j.undone(ctx)
		if err == nil {
			err = j.follow(ctx, "", false)
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		return false, err
	case h := <-j.holds:
		stop()
		<-ended
		close(h.stopped)
		<-h.resume
		return true, nil
	}
}

// hold is a standstill.
type hold struct{ stopped, resume chan struct{} }

// standstill has nobody apply until the function is called that it returns.
func (j *job) standstill() (resume func()) {
	select {
	case <-j.following:
	default:
		return func() {} // nobody applies yet; who begins to undoes first
	}
	h := hold{make(chan struct{}), make(chan struct{})}
	select {
	case j.holds <- h:
		<-h.stopped
		return func() { close(h.resume) }
	case <-j.still:
		return func() {}
	}
}
