package replicator

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/schema"
	"replicator/replicator/status"
	"replicator/replicator/target"
)

// indexer runs index and constraint steps, several at once and several of one table at once.
type indexer struct {
	j     *job
	slots chan struct{} // one for each step on its way
	wg    sync.WaitGroup
	once  sync.Once
	err   error
	stop  context.CancelFunc

	mu  sync.Mutex
	few []tableSteps // of small tables, not begun; together no more than a transaction takes
}

// tableSteps are the steps of one table.
type tableSteps struct {
	t     *chunker.Table
	steps []schema.Step
}

// newIndexer starts nothing yet; a step that fails cancels the context it returns.
func (j *job) newIndexer(ctx context.Context) (*indexer, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	return &indexer{j: j, slots: make(chan struct{}, j.stepsAhead()), stop: cancel}, ctx
}

// table builds what a table that is complete gets at once, or soon: see build. It does not block.
func (x *indexer) table(ctx context.Context, t *chunker.Table) {
	steps := x.j.work.Table[t.Ordinal]
	if x.j.chunks[t.Ordinal][0].Kind != chunker.Range {
		// Read under one snapshot: no value can stand in two of its rows for a moment, unless its
		// transactions allow that until they commit.
		for _, s := range x.j.work.Unique[t.Ordinal] {
			if !s.Strict {
				steps = append(slices.Clip(steps), s)
			}
		}
	}
	x.build(ctx, t, steps)
}

// smallBytes is the size of a table whose indexes take less time than their transaction and the messages
// that it takes. The steps of such tables go to the target together.
const smallBytes = 1 << 20

// build runs the steps of a table, then collects its statistics. A small table waits for others, or
// for rest.
func (x *indexer) build(ctx context.Context, t *chunker.Table, steps []schema.Step) {
	analyze := schema.Step{ID: analyzeID(t), Kind: schema.KindAnalyze, Name: "analyze " + t.String(), Owner: t.Owner, SQL: "ANALYZE " + t.Qualified()}
	if t.Bytes <= smallBytes {
		x.gather(ctx, tableSteps{t, append(slices.Clip(steps), analyze)})
		return
	}
	var built sync.WaitGroup
	for i := range steps {
		built.Add(1)
		x.spawn(func() error {
			defer built.Done()
			return x.j.indexing(t.Bytes, func() error { return x.step(ctx, &steps[i]) })
		})
	}
	x.spawn(func() error {
		built.Wait()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := x.step(ctx, &analyze)
		if err == nil {
			x.j.indexed(t)
		}
		return err
	})
}

// gather begins the steps of small tables once there are as many as the target runs in one transaction.
func (x *indexer) gather(ctx context.Context, s tableSteps) {
	x.mu.Lock()
	n := len(s.steps)
	for _, other := range x.few {
		n += len(other.steps)
	}
	var full []tableSteps
	if n > target.StepsPerTransaction {
		full, x.few = x.few, nil
	}
	x.few = append(x.few, s)
	x.mu.Unlock()
	x.together(ctx, full)
}

// rest begins the steps of small tables that wait for others; none come any more.
func (x *indexer) rest(ctx context.Context) {
	x.mu.Lock()
	few := x.few
	x.few = nil
	x.mu.Unlock()
	x.together(ctx, few)
}

// together runs the steps of several tables with one call.
func (x *indexer) together(ctx context.Context, few []tableSteps) {
	if len(few) == 0 {
		return
	}
	var steps []schema.Step
	var bytes int64
	for _, s := range few {
		steps = append(steps, s.steps...)
		bytes += s.t.Bytes * int64(len(s.steps)-1) // of each index
	}
	x.spawn(func() error {
		err := x.j.indexing(bytes, func() error {
			return x.slot(ctx, func() error { return x.j.steps(ctx, fmt.Sprintf("indexes of %d small tables", len(few)), steps) })
		})
		if err == nil {
			for _, s := range few {
				x.j.indexed(s.t)
			}
		}
		return err
	})
}

// indexed shows that a table has what it gets once its rows are there.
func (j *job) indexed(t *chunker.Table) {
	j.tracker.Update(func(s *status.Status) { s.Tables[t.Ordinal].Indexed = true })
}

func analyzeID(t *chunker.Table) string { return fmt.Sprintf("analyze %s %d", t.Qualified(), t.OID) }

func (x *indexer) spawn(f func() error) {
	x.wg.Add(1)
	go func() {
		defer x.wg.Done()
		if err := f(); err != nil {
			x.once.Do(func() { x.err = err })
			x.stop()
		}
	}()
}

// wait waits for everything that was begun.
func (x *indexer) wait() error {
	x.wg.Wait()
	x.stop()
	return x.err
}

// stepsAhead is how many steps are on their way at once. The target end runs as many of them as it has
// sessions for; the others save it the round trip, which over a long link is longer than most steps.
func (j *job) stepsAhead() int { return stepsPerSession * j.o.IndexJobs }

const stepsPerSession = 6

// step runs one step when there is room for it.
func (x *indexer) step(ctx context.Context, s *schema.Step) error {
	return x.slot(ctx, func() error { return x.j.step(ctx, s) })
}

func (x *indexer) slot(ctx context.Context, f func() error) error {
	select {
	case x.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-x.slots }()
	return f()
}

// step runs one schema step on the target and shows it.
func (j *job) step(ctx context.Context, s *schema.Step) error {
	if _, ran := j.ran.Load(s.ID); ran {
		return nil
	}
	j.o.Hook("engine: step " + s.Kind)
	j.tracker.StepBegan(s.Name)
	err := j.persist(ctx, s.Name, func() error {
		note, err := j.end.Step(ctx, s)
		j.note(note)
		return err
	})
	j.tracker.StepEnded(s.Name, err == nil)
	if err == nil && s.Undo == "" {
		j.ran.Store(s.ID, true)
	}
	return err
}

// steps runs steps with one call and shows each.
func (j *job) steps(ctx context.Context, what string, all []schema.Step) error {
	var left []schema.Step
	for i := range all {
		if _, ran := j.ran.Load(all[i].ID); !ran {
			left = append(left, all[i])
		}
	}
	for i := range left {
		j.o.Hook("engine: step " + left[i].Kind)
		j.tracker.StepBegan(left[i].Name)
	}
	err := j.inOrder(ctx, what, left)
	for i := range left {
		j.tracker.StepEnded(left[i].Name, err == nil)
		if err == nil {
			j.ran.Store(left[i].ID, true)
		}
	}
	return err
}

// inParallel runs steps that do not depend on each other.
func (j *job) inParallel(ctx context.Context, steps []schema.Step) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(j.stepsAhead())
	for i := range steps {
		g.Go(func() error { return j.step(ctx, &steps[i]) })
	}
	return g.Wait()
}

// eachInOrder runs steps one after the other, each in a transaction of its own: what it locks is free again
// after it.
func (j *job) eachInOrder(ctx context.Context, steps []schema.Step) error {
	for i := range steps {
		if err := j.step(ctx, &steps[i]); err != nil {
			return err
		}
	}
	return nil
}

// inOrder runs steps one after the other.
func (j *job) inOrder(ctx context.Context, what string, steps []schema.Step) error {
	return j.persist(ctx, what, func() error {
		notes, err := j.end.Steps(ctx, steps)
		j.note(notes...)
		return err
	})
}

// note keeps what was left out of the schema where status shows it.
func (j *job) note(notes ...string) {
	for _, n := range notes {
		if n == "" {
			continue
		}
		j.log.Warn("note", "what", n)
		j.tracker.Update(func(s *status.Status) {
			if !slices.Contains(s.Notes, n) {
				s.Notes = append(s.Notes, n)
			}
		})
	}
}
