package replicator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
)

// LargeObjects implements catchup.Job.
func (f *finisher) LargeObjects(ctx context.Context, rehearsal, full bool) (*catchup.LargeObjects, error) {
	if !f.rec.LargeObjects {
		return nil, nil
	}
	o := f.objects
	if err := o.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer f.goes(func() string {
		if s := f.tracker.Status().LargeObjects; s != nil && s.Looked < s.Ranges {
			return fmt.Sprintf("%d of %d ranges compared, %s", s.Looked, s.Ranges, sizeOf(s.Bytes))
		}
		return ""
	})()
	t, err := o.round(ctx, roundOptions{jobs: f.o.Jobs, look: rehearsal, exact: !rehearsal, full: full && !rehearsal})
	if err != nil {
		return nil, err
	}
	return &catchup.LargeObjects{
		Objects: t.objects, Bytes: t.bytes, Written: t.written, Altered: t.altered, Removed: t.removed,
		Ranges: t.parts, Unchanged: t.proved, Equal: !rehearsal,
	}, nil
}

// errObjectsLack ends a catch-up that would copy large objects while the wards wait.
var errObjectsLack = fault.New(fault.Preflight, errors.New("large objects have not been copied yet"), "wait until replicator status shows a first round of large objects")

// LargeObjectsStay implements catchup.Job.
func (f *finisher) LargeObjectsStay(ctx context.Context) error {
	if !f.rec.LargeObjects {
		return nil
	}
	t, err := f.objects.round(ctx, roundOptions{jobs: f.o.Jobs, look: true})
	if err == nil && t.written+t.altered+t.removed > 0 {
		err = errTouched
	}
	return err
}

// errTouched ends a catch-up: somebody wrote large objects after the fence, on either side.
var errTouched = fault.New(fault.Preflight, errors.New("large objects have changed after they were made equal at the fence"),
	"find out who writes them: the fence did not hold them; then run catchup again")

// firstRoundWait is for a job that was started for the catch-up, and databases with few large objects.
const firstRoundWait = 10 * time.Second

// objectsReady refuses a catch-up before the first round has ended, and while rounds fail: so would the
// last one.
func (j *job) objectsReady(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, firstRoundWait)
	defer cancel()
	if j.objects.awaitCopied(wait) != nil {
		return cmp.Or(ctx.Err(), errObjectsLack)
	}
	j.objects.mu.Lock()
	defer j.objects.mu.Unlock()
	if err := j.objects.failed; err != nil && ctx.Err() == nil {
		return fault.New(fault.Preflight, fmt.Errorf("the last round of large objects failed: %w", err), cmp.Or(fault.HintOf(err), "see the engine's log"))
	}
	return ctx.Err()
}

// giveTurnBack lets rounds go on in the background, unless the target is open or may be.
func (f *finisher) giveTurnBack() {
	opening, err := f.store.Get(keyOpening, new(bool))
	if f.objects.held && err == nil && !opening {
		f.objects.held = false
		f.objects.release()
	}
}
