package replicator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"replicator/replicator/checkpoint"
	"replicator/replicator/fault"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// ResyncOptions say which tables of which job are taken through again.
type ResyncOptions struct {
	Dir     string
	KeyFile string
	Source  string // DSNs and link, needed only when the job's hold a password
	Target  string
	Link    Link
	Tables  []string // patterns, as --table has them, or exact names of planned tables

	Logger *slog.Logger
	Hook   func(point string) `json:"-"` // nil, or called at dangerous instants
}

// Resynced is what became of a table that was taken through again.
type Resynced struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	// Late is a table whose changes are not in the stream, so that it is copied at the fence; Gone is
	// one that the source has no more, nor the target.
	Late bool `json:"late,omitempty"`
	Gone bool `json:"gone,omitempty"`
	// Waits is a table of a job at its first copy: seed copies it.
	Waits bool `json:"waits,omitempty"`
}

// Resync takes tables of a job through again, as after a statement that changed them, and returns when
// the target follows. All other tables go on from where they stand. No engine may run meanwhile: what
// is under way is planned on the tables as they were. Killed anywhere, the same command goes on, and so
// does seed. A job that is still at its first copy is left to seed.
func Resync(ctx context.Context, o ResyncOptions) ([]Resynced, error) {
	if err := errors.Join(required("dir", o.Dir), atLeastOne("table", o.Tables)); err != nil {
		return nil, fault.New(fault.Usage, err, "see replicator resync --help")
	}
	seed := Options{Dir: o.Dir, KeyFile: o.KeyFile, Source: o.Source, Target: o.Target, Link: o.Link, Logger: o.Logger, Hook: o.Hook}
	if err := seed.Validate(); err != nil {
		return nil, err
	}
	j, err := open(ctx, seed, false)
	if errors.Is(err, checkpoint.ErrLocked) {
		return nil, fault.New(fault.Fenced, errors.New("an engine runs on this --dir, planned on the tables as they were"), "stop it first; nothing is lost, and resync goes on where it was")
	}
	if err != nil {
		return nil, err
	}
	r, err := j.askResync(ctx, o.Tables)
	if err == nil && !r.All {
		err = j.run(ctx, func(context.Context) error { return nil })
	}
	var done []Resynced
	if err == nil {
		done = j.resyncDone(r)
	}
	return done, finish(ctx, j, err)
}

func atLeastOne(flag string, list []string) error {
	if len(list) == 0 {
		return fmt.Errorf("--%s is missing", flag)
	}
	return nil
}

func (j *job) resyncDone(r *resyncRecord) []Resynced {
	s := j.tracker.Status()
	list := make([]Resynced, len(r.Tables))
	for i, n := range r.Tables {
		t := &j.planned()[n]
		list[i] = Resynced{Table: t.String(), Late: t.Late() && !t.Gone, Gone: t.Gone, Waits: r.All && !t.Late()}
		if n < len(s.Tables) {
			list[i].Rows, list[i].Bytes = s.Tables[n].Rows, s.Tables[n].Bytes
		}
	}
	return list
}

// askResync writes to the store what is to be done: from then on every run does it.
func (j *job) askResync(ctx context.Context, patterns []string) (*resyncRecord, error) {
	if err := j.mayResync(); err != nil {
		return nil, err
	}
	if err := j.plan(ctx); err != nil {
		return nil, err
	}
	if _, err := j.store.Get(keyWork, &j.work); err != nil {
		return nil, err
	}
	var r *resyncRecord
	err := j.persist(ctx, "plan the tables anew", func() error {
		conn, err := j.source.Connect(ctx, "plan")
		if err != nil {
			return err
		}
		defer conn.Close()
		p := &replan{job: j, conn: conn}
		if err := p.all(ctx, patterns); err != nil {
			return err
		}
		r, err = p.save()
		return err
	})
	if err == nil {
		j.o.Hook("engine: resync planned")
	}
	return r, err
}

// mayResync refuses a job that has nothing to take through, or that is being opened.
func (j *job) mayResync() error {
	p, err := j.phase()
	if err != nil {
		return err
	}
	fenced, err := j.isFenced()
	if err != nil {
		return err
	}
	has, err := j.store.Get(keyWork, new(schema.Work))
	switch {
	case err != nil:
		return err
	case p == status.Open:
		return fault.New(fault.Preflight, errors.New("the target is open: nothing moves any more"), "")
	case fenced:
		return fault.New(fault.Preflight, errors.New("a catch-up has fenced the source"), "lift the fence first: replicator catchup --abort")
	case !has:
		return fault.New(fault.Preflight, errors.New("the job has not begun to move anything"), "run replicator seed")
	}
	return nil
}
