package sizing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/link"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/replicator/target"
)

// sourceName is the job's name in application_name of our sessions on the source.
const sourceName = "bench"

func (o *Options) source() *source.Database {
	return &source.Database{DSN: o.Source, Job: sourceName}
}

// scratch is the target end with a schema that is ours alone.
type scratch struct {
	target.End
	remote *link.Remote                 // nil: in this process
	last   *atomic.Pointer[status.Link] // what the link said of itself last
	run    string                       // makes the names of steps different from those of every other run
	n      int
}

// openScratch opens the target end, clears away what a killed run left, and makes the scratch schema.
func (o *Options) openScratch(ctx context.Context, searchPath string) (*scratch, error) {
	s, err := o.dialScratch(ctx, searchPath)
	if err != nil {
		return nil, err
	}
	if err := s.clear(ctx); err != nil {
		return nil, errors.Join(err, s.End.Close())
	}
	_, err = s.End.Open(ctx, true)
	if err == nil {
		_, err = s.sql(ctx, "CREATE SCHEMA "+target.ScratchSchema+"; COMMENT ON SCHEMA "+target.ScratchSchema+
			" IS "+pg.Literal(scratchComment))
	}
	if err != nil {
		return nil, errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// dialScratch reaches the target end. Where another measurement runs there it is fault.Fenced.
func (o *Options) dialScratch(ctx context.Context, searchPath string) (*scratch, error) {
	var id [4]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	s := &scratch{run: hex.EncodeToString(id[:])}
	if o.Link == nil {
		s.End = target.New(target.Config{DSN: o.Target, Job: target.ScratchJob, Scratch: true, SearchPath: searchPath, StepJobs: o.IndexJobs, Logger: o.Logger})
	} else {
		cfg := *o.Link
		cfg.Scratch, cfg.SearchPath, cfg.StepJobs, cfg.Logger = true, searchPath, o.IndexJobs, o.Logger
		s.last = new(atomic.Pointer[status.Link])
		cfg.Report = func(l status.Link) { s.last.Store(&l) }
		r, err := link.New(ctx, cfg)
		if err != nil {
			return nil, err
		}
		s.End, s.remote = r, r
	}
	if _, err := s.End.Open(ctx, true); err != nil {
		return nil, errors.Join(busy(err), s.End.Close())
	}
	return s, nil
}

// busy says in our words who holds the lock.
func busy(err error) error {
	if fault.CodeOf(err) != fault.Fenced {
		return err
	}
	return fault.New(fault.Fenced, errors.New("another replicator bench runs in this target database"), "wait until it has ended")
}

// sql runs SQL on the target in one transaction and tells how long that took, the way there included.
func (s *scratch) sql(ctx context.Context, sql string) (time.Duration, error) {
	return s.step(ctx, &schema.Step{Kind: "BENCH", Name: "of a measurement", SQL: sql})
}

func (s *scratch) step(ctx context.Context, step *schema.Step) (time.Duration, error) {
	step.ID = s.id()
	began := time.Now()
	_, err := s.End.Step(ctx, step)
	return time.Since(began), err
}

// id is the name of another step; it belongs to the goroutine that owns s.
func (s *scratch) id() string {
	s.n++
	return fmt.Sprintf("%s/%d", s.run, s.n)
}

// scratchComment is how we know that the schema is ours.
const scratchComment = "scratch of replicator bench: replicator bench cleanup removes it"

// removeSQL removes the scratch schema, unless somebody else has one of that name.
//
// A chunk that was given up may still hold its table: over a slow line the target end learns late that
// nobody wants it. Sessions of a measurement are ours alone, the lock's says so.
var removeSQL = `SET LOCAL lock_timeout = '10s';
	SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
		AND starts_with(application_name, 'replicator/` + target.ScratchJob + `/') AND application_name <> 'replicator/` + target.ScratchJob + `/lock';
	DO $$ BEGIN
		IF EXISTS (SELECT FROM pg_namespace WHERE nspname = ` + pg.Literal(target.ScratchSchema) + `
			AND obj_description(oid, 'pg_namespace') IS DISTINCT FROM ` + pg.Literal(scratchComment) + `) THEN
			RAISE EXCEPTION USING ERRCODE = '42P06';
		END IF;
	END $$;
	DROP SCHEMA IF EXISTS ` + target.ScratchSchema + ` CASCADE`

// clear removes schema and rows of the job; the lock stays.
func (s *scratch) clear(ctx context.Context) error {
	_, err := s.sql(ctx, removeSQL)
	if pg.State(err) == "42P06" {
		err = fault.New(fault.Preflight, errors.New("the target has a schema "+target.ScratchSchema+" that is not ours"), "rename it: replicator bench needs that name")
	} else if err != nil {
		return err
	}
	return errors.Join(err, s.End.Drop(ctx))
}

// removeWait bounds the removal when everything else has been told to stop.
const removeWait = time.Minute

// close removes everything and ends the sessions.
func (s *scratch) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeWait)
	defer cancel()
	err := s.clear(ctx)
	if err != nil && fault.CodeOf(err) != fault.Preflight {
		err = fault.New(fault.Target, fmt.Errorf("remove the scratch schema: %w", err), "replicator bench cleanup removes it")
	}
	return errors.Join(err, s.End.Close())
}

// Cleanup removes what a killed measurement left on the target, and on this machine. On the source there is
// nothing.
func Cleanup(ctx context.Context, o Options) error {
	if err := errors.Join(o.Validate(), sweepTemp()); err != nil {
		return err
	}
	if err := o.need(false, true); err != nil {
		return err
	}
	s, err := o.dialScratch(ctx, "")
	if err != nil {
		return err
	}
	return s.close(ctx)
}
