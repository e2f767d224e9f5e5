package replicator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"replicator/replicator/ddl"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/wal/slot"
)

// CleanupOptions say which job is removed.
type CleanupOptions struct {
	Dir     string
	Source  string // DSNs, needed only when the job's hold a password
	Target  string
	KeyFile string // of a job that was begun with one
	Link    Link
	Logger  *slog.Logger
}

// CleanupPlan lists what Cleanup will remove. It changes nothing.
func CleanupPlan(ctx context.Context, o CleanupOptions) ([]string, error) {
	j, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	list := []string{
		"source: replication slot " + j.rec.Slot,
		"source: publication " + j.rec.Publication,
		"target: what schema replicator holds of job " + j.rec.Job,
		"here: state, change log and reports in the state directory",
	}
	if j.carries() {
		list = append(list, "source: the event triggers of --ddl=replicate, if the role may; else the SQL for it is named")
	}
	fenced, err := j.isFenced()
	if err != nil {
		return nil, err
	}
	p, err := j.phase()
	if fenced && p != status.Open {
		list = append([]string{"source: the fence of an interrupted catch-up, lifted"}, list...)
	}
	return list, err
}

// Cleanup removes the job: fence, slot and publication on the source, schema replicator on the
// target, the state directory. The copied data stays, and so does the fence of a target that is open. What is gone already is no error; a side
// that cannot be reached is, and the state directory stays until it can.
func Cleanup(ctx context.Context, o CleanupOptions) error {
	j, err := o.open(ctx)
	if err != nil {
		return err
	}
	// Whether the fence may be lifted is known only as long as the target knows the job.
	if err = j.abort(ctx); err == nil || errors.Is(err, errTargetOpen) {
		err = errors.Join(j.cleanSource(ctx), j.cleanTarget(ctx))
	}
	err = errors.Join(err, j.Close())
	if err != nil {
		return err
	}
	if err := os.RemoveAll(o.Dir); err != nil {
		return fault.New(fault.Store, fmt.Errorf("remove the state directory: %w", err), "")
	}
	return nil
}

func (o *CleanupOptions) open(ctx context.Context) (*job, error) {
	seed := Options{Dir: o.Dir, KeyFile: o.KeyFile, Source: o.Source, Target: o.Target, Link: o.Link, Logger: o.Logger}
	if err := seed.Validate(); err != nil {
		return nil, err
	}
	return open(ctx, seed, false)
}

func (j *job) cleanSource(ctx context.Context) error {
	conn, err := j.source.ConnectAny(ctx, "cleanup")
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := slot.Drop(ctx, conn, j.rec.Slot, j.source.Name()); err != nil {
		return fault.New(fault.Source, fmt.Errorf("drop slot %s: %w", j.rec.Slot, err), "end the session that uses it: see pg_replication_slots.active_pid")
	}
	if err := j.cleanTriggers(ctx, conn); err != nil {
		return err
	}
	err = source.DropPublication(ctx, conn, j.rec.Publication)
	if pg.State(err) == "42501" {
		j.log.Warn("the publication belongs to another role; let it run", "sql", "DROP PUBLICATION "+pg.Ident(j.rec.Publication))
		return nil
	}
	return err
}

// cleanTriggers removes the event triggers of a job that has statements carried, or says who has to.
func (j *job) cleanTriggers(ctx context.Context, conn *pg.Conn) error {
	if !j.carries() {
		return nil
	}
	sql := ddl.Remove()
	for i, s := range sql {
		err := conn.Exec(ctx, s)
		switch pg.State(err) {
		case "42501": // they belong to a superuser
			j.log.Warn("the event triggers belong to another role; let it run", "sql", strings.Join(sql, "; "))
			return nil
		case "2BP01": // the schema has something else in it
			return nil
		}
		if err != nil {
			return fmt.Errorf("remove the event triggers (%d): %w", i+1, err)
		}
	}
	return nil
}

func (j *job) cleanTarget(ctx context.Context) error {
	err := j.end.Drop(ctx)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("drop schema replicator: %w", err)
	if fault.CodeOf(err) != fault.Unexpected {
		return err // the link's, or the target end's own word
	}
	return fault.New(fault.Target, err, "")
}
