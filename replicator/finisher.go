package replicator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/wal"
)

// finisher is the job as catch-up sees it.
type finisher struct {
	*job
	rehearsal bool
	word      string                        // by which the operator acknowledges what is lost
	lookups   *lender                       // of sessions that look up changed rows on the source, for the whole of a catch-up
	going     atomic.Pointer[func() string] // says how far the step has come that runs; nil: it does not
}

var _ catchup.Job = (*finisher)(nil)

func (f *finisher) Missed() map[string]int64 { return f.appliedSums().missed }

// Progress implements catchup.Job.
func (f *finisher) Progress() string {
	if say := f.going.Load(); say != nil {
		return (*say)()
	}
	return ""
}

// goes lets a step say how far it has come, until the function is called that it returns.
func (f *finisher) goes(say func() string) (over func()) {
	f.going.Store(&say)
	return func() { f.going.Store(nil) }
}

func (f *finisher) Reach(ctx context.Context, name string) (wal.LSN, int64, error) {
	defer f.goes(func() string { return sizeOf(f.tracker.Status().Apply.LagBytes) + " of WAL to apply" })()
	var m markerSeen
	err := f.persist(ctx, "reach marker "+name, func() error {
		var err error
		m, err = f.reach(ctx, name)
		return err
	})
	return m.LSN, m.Foreign, err
}

// onSource runs a piece of work on a session of the source, again when the session is lost.
func (f *finisher) onSource(ctx context.Context, purpose string, do func(*pg.Conn) error) error {
	return f.persist(ctx, purpose, func() error {
		conn, err := f.source.Connect(ctx, purpose)
		if err != nil {
			return err
		}
		defer conn.Close()
		return do(conn)
	})
}

func (f *finisher) Facts(ctx context.Context) (src, tgt catchup.Database, err error) {
	err = f.onSource(ctx, "facts", func(c *pg.Conn) error {
		row, err := c.Row(ctx, "SELECT current_database(), current_setting('server_version')")
		if err == nil {
			src = catchup.Database{Name: row[0], ServerVersion: row[1], SystemID: f.rec.System.ID}
		}
		return err
	})
	if err != nil {
		return src, tgt, err
	}
	db, err := f.end.Facts(ctx)
	return src, catchup.Database{Name: db.Name, ServerVersion: db.ServerVersion, SystemID: db.SystemID}, err
}

// Fence remembers how the source was before it changes anything.
func (f *finisher) Fence(ctx context.Context, mode source.FenceMode) (detail string, err error) {
	err = f.onSource(ctx, "fence", func(c *pg.Conn) error {
		var m source.FenceMemory
		found, err := f.store.Get(keyFence, &m)
		if err != nil {
			return err
		}
		// What the operator had fenced is as it was, and may be fenced by us now.
		if !found || m.Mode == source.FenceOperator && mode != m.Mode {
			if m, err = source.Remember(ctx, c, mode); err != nil {
				return err
			}
			if err := f.store.Put(keyFence, m); err != nil {
				return err
			}
		}
		f.o.Hook("engine: fence remembered")
		if detail, err = source.Raise(ctx, c, m, f.source.Name()); err != nil {
			return err
		}
		f.o.Hook("engine: fence raised")
		who, err := source.Audit(ctx, c, f.source.Name())
		if err == nil && len(who) > 0 {
			err = fault.New(fault.Preflight, fmt.Errorf("transactions that write are still open: %s", strings.Join(who, "; ")), "end them, then run catchup again")
		}
		return err
	})
	if err != nil {
		return detail, err
	}
	return detail, f.setPhase(status.Fenced)
}

func (f *finisher) Audit(ctx context.Context) (who []string, err error) {
	err = f.onSource(ctx, "audit", func(c *pg.Conn) error {
		who, err = source.Audit(ctx, c, f.source.Name())
		return err
	})
	return who, err
}

func (f *finisher) Sequences(ctx context.Context, rehearsal bool) (n int, err error) {
	err = f.onSource(ctx, "sequences", func(c *pg.Conn) error {
		there, err := f.end.Facts(ctx)
		if err != nil {
			return err
		}
		seqs, err := schema.SequenceValues(ctx, c, f.rec.Select, there.Site.Database.Version)
		if err != nil {
			return err
		}
		n = len(seqs)
		if rehearsal {
			return nil
		}
		return f.end.SetSequences(ctx, seqs)
	})
	return n, err
}

func (f *finisher) Finish(ctx context.Context) (string, error) {
	f.o.Hook("engine: before finish")
	steps, err := f.finishSteps()
	if err == nil {
		steps, err = f.asFilled(ctx, steps)
	}
	if err != nil {
		return "", err
	}
	err = f.persist(ctx, "dump what statements have changed", func() (err error) {
		steps, err = f.renewed(ctx, steps)
		return err
	})
	if err != nil {
		return "", err
	}
	if err := f.willUndo(steps); err != nil {
		return "", err
	}
	var at atomic.Int64
	defer f.goes(func() string {
		if i := int(at.Load()); i < len(steps) {
			return fmt.Sprintf("step %d of %d: %s %s", i+1, len(steps), steps[i].Kind, steps[i].Name)
		}
		return ""
	})()
	for i := range steps {
		at.Store(int64(i))
		if err := f.step(ctx, &steps[i]); err != nil {
			return "", err
		}
	}
	detail := fmt.Sprintf("%d steps", len(steps))
	there, err := f.end.Facts(ctx)
	if err != nil {
		return "", err
	}
	left := slices.DeleteFunc(there.LeftOut, func(i schema.Item) bool {
		return !slices.ContainsFunc(steps, func(s schema.Step) bool { return s.ID == i.Name })
	})
	orphaned := slices.DeleteFunc(slices.Clone(left), func(i schema.Item) bool {
		return !slices.ContainsFunc(steps, func(s schema.Step) bool {
			return s.ID == i.Name && (s.Kind == "FK CONSTRAINT" || s.Kind == schema.KindValidate)
		})
	})
	if len(orphaned) > 0 && f.word != schema.AcknowledgeAll { // behind the manifest, which nobody could acknowledge
		return "", fault.New(fault.Preflight, fmt.Errorf("rows of the source break its foreign keys: %s", schema.Few(orphaned)),
			"delete or mend these rows on the source; or catchup --acknowledge all goes on, and the keys stay NOT VALID or away on the target")
	}
	if len(left) > 0 {
		detail += "; not made on the target: " + schema.Few(left)
	}
	return detail, nil
}

// asFilled leaves out the filling of materialized views that have been emptied on the source since the plan.
func (f *finisher) asFilled(ctx context.Context, steps []schema.Step) ([]schema.Step, error) {
	empty := map[string]bool{}
	err := f.onSource(ctx, "views", func(c *pg.Conn) error {
		rows, err := c.Query(ctx, `SELECT n.nspname || '.' || v.relname FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace
			WHERE v.relkind = 'm' AND NOT v.relispopulated`)
		for _, r := range rows {
			empty[r[0]] = true
		}
		return err
	})
	return slices.DeleteFunc(steps, func(s schema.Step) bool { return s.Kind == schema.KindRefresh && empty[s.Name] }), err
}

// finishSteps is what waits for the fence: Work.Finish, also of what was made since the plan, and
// foreign keys where our role cannot keep them from firing.
func (f *finisher) finishSteps() ([]schema.Step, error) {
	r, err := f.carriedNames()
	return f.made.Join(schema.Following(f.waiting(&r), r.Renamed)), err
}

// waiting are those of them that were planned, with the names of then, without those of dropped tables.
func (j *job) waiting(r *carriedRecord) []schema.Step {
	if j.replica {
		return schema.Without(j.work.Finish, r.Gone)
	}
	return schema.Without(slices.Concat(j.work.Foreign, j.work.Validate, j.work.Finish), r.Gone)
}

// Open makes the target's phase open, first in the target itself: that row is the truth (I7).
func (f *finisher) Open(ctx context.Context) error {
	f.o.Hook("engine: before open")
	if err := f.store.Put(keyOpening, true); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	if err := f.persist(ctx, "open the target", func() error { return f.end.SetPhase(ctx, string(status.Open)) }); err != nil {
		return err
	}
	f.o.Hook("engine: target open")
	return f.isOpen()
}

// openWait bounds the tries to open a target that cannot be reached. After it the outcome is unknown.
const openWait = 2 * time.Minute

func (f *finisher) isOpen() error {
	if err := f.setPhase(status.Open); err != nil {
		return err
	}
	close(f.opened)
	return nil
}

// foundOpen looks whether an attempt whose end was not known has opened the target.
func (f *finisher) foundOpen(ctx context.Context) (bool, error) {
	if opening, err := f.store.Get(keyOpening, new(bool)); err != nil || !opening {
		return false, err
	}
	open := false
	err := f.persist(ctx, "look whether the target is open", func() error {
		st, err := f.end.State(ctx)
		open = st.Phase == string(status.Open)
		return err
	})
	if err != nil || !open {
		return false, err
	}
	return true, f.isOpen()
}
