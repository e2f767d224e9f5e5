package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/bench/clinical"
)

// grace is how long an act may go on after the context has ended, say behind somebody's lock,
// before its connection is cut.
const grace = 10 * time.Second

// retryPause is between two tries to connect, and after an act that a read-only database refused.
const retryPause = 100 * time.Millisecond

// Workload is one run of the wards. Stats may be read while it runs.
type Workload struct {
	opts  Options
	tally tally
	known known
	pace  *pacer
}

// New checks opts.
func New(opts Options) (*Workload, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	return &Workload{opts: opts, pace: newPacer(opts.Rate)}, nil
}

// Run is New and Workload.Run.
func Run(ctx context.Context, opts Options) (Stats, error) {
	w, err := New(opts)
	if err != nil {
		return Stats{}, err
	}
	err = w.Run(ctx)
	return w.Stats(), err
}

// Stats are the counts so far.
func (w *Workload) Stats() Stats { return w.tally.stats() }

// Run writes until ctx ends, which is no error. It fails when it cannot read the database at
// first, and on errors that are no part of a hospital's day.
func (w *Workload) Run(ctx context.Context) error {
	if err := w.known.read(ctx, w.opts.DSN); err != nil {
		return fmt.Errorf("look at the clinical database: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	// Acts run under a context that outlives ctx by the grace, to finish what they began.
	acts, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cut) })
	defer stop()
	for i := range w.opts.Workers {
		g.Go(func() error { return w.newWorker(i).run(ctx, acts) })
	}
	return g.Wait()
}

// worker is one session's owner.
type worker struct {
	w    *Workload
	rng  *rand.Rand
	text *clinical.Prose
	acts []act
	sess *session // nil: not connected
}

func (w *Workload) newWorker(i int) *worker {
	rng := rand.New(rand.NewPCG(w.opts.Seed, uint64(i)))
	return &worker{w: w, rng: rng, text: clinical.NewProse(rng), acts: acts(w.opts)}
}

func (k *worker) run(ctx, acts context.Context) error {
	defer func() { k.sess.close() }()
	for {
		due, ok := k.w.pace.wait(ctx)
		if !ok {
			return nil
		}
		if k.sess == nil {
			if k.sess = k.connect(ctx); k.sess == nil {
				return nil // ctx has ended
			}
			k.w.tally.connected()
		}
		a := choose(k.rng, k.acts)
		how, rows, err := k.transact(acts, ctx, a)
		k.w.tally.count(a.name, how, rows)
		switch how {
		case committed:
			if k.w.opts.Committed != nil {
				k.w.opts.Committed(a.name, time.Since(due))
			}
		case failed:
			return fmt.Errorf("%s: %w", a.name, err)
		case lost:
			k.sess.close()
			k.sess = nil
		case readOnly:
			pause(ctx, retryPause)
		}
	}
}

// connect tries until it succeeds, or returns nil when ctx ends.
func (k *worker) connect(ctx context.Context) *session {
	for ctx.Err() == nil {
		if s, err := open(ctx, k.w.opts); err == nil {
			return s
		}
		pause(ctx, retryPause)
	}
	return nil
}

// transact runs one act in a transaction. An act sees ctx's end by leave, and hurries.
func (k *worker) transact(ctx, leave context.Context, a act) (outcome, int64, error) {
	tx, err := k.sess.conn.Begin(ctx)
	if err != nil {
		return k.sess.judge(err)
	}
	v := &visit{tx: tx, worker: k, leave: leave}
	if err := a.do(ctx, v); err != nil {
		// The error that ended the act is the one that counts; if the rollback fails too the
		// connection is closed, which the next act finds.
		_ = tx.Rollback(ctx)
		return k.sess.judge(err)
	}
	if v.takeBack {
		if err := tx.Rollback(ctx); err != nil {
			return k.sess.judge(err)
		}
		return rolledBack, 0, nil
	}
	if err := tx.Commit(ctx); err != nil {
		return k.sess.judge(err)
	}
	return committed, v.rows, nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
