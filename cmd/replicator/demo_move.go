package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// How long the demo lets things go on, and how often it tells.
const (
	demoFollow = 8 * time.Second // following, with the wards at work
	demoAfter  = 3 * time.Second // the wards on the new server
	demoLook   = 500 * time.Millisecond
	demoGlance = 2 * time.Second // while it only follows
)

// move is the story from the first row to the report.
func (d *demo) move(ctx context.Context) error {
	old, err := startWards(ctx, d.source, demoSeed)
	if err != nil {
		return err
	}
	defer old.stop()
	d.chapter("The wards begin to write, %d transactions a second. replicator bench: how long will it take?", demoRate)
	if err := d.bench(ctx); err != nil {
		return err
	}
	d.chapter("replicator seed copies while the wards write.")
	job := d.startSeed(ctx)
	defer job.stop()
	if err := d.untilFollowing(ctx, job); err != nil {
		return err
	}
	d.tell("the wards have written %s", old.count())

	d.chapter("The copy follows the source for %.0f s.", demoFollow.Seconds())
	if err := d.follow(ctx, job, demoFollow); err != nil {
		return err
	}
	d.chapter("replicator catchup --rehearse: what would the window take?")
	rehearsal, err := d.catchup(ctx, true)
	if err != nil {
		return err
	}
	d.tell("expected: %s", status.Seconds(rehearsal.Predicted))

	d.chapter("replicator catchup: the wards still write when it fences the source.")
	report, err := d.catchup(ctx, false)
	if err != nil {
		return err
	}
	// The engine ends by itself once the target is open.
	if err := errors.Join(old.stop(), job.wait(ctx)); err != nil {
		return err
	}
	d.tell("the wards wrote %s before the fence, and every one of them is on the new server", old.count())
	return d.finish(ctx, report)
}

// seedJob is the engine at work.
type seedJob struct {
	*background
	opened chan *status.Tracker
}

func (d *demo) startSeed(ctx context.Context) *seedJob {
	opened := make(chan *status.Tracker, 1)
	o := replicator.Options{Source: d.sourceDSN, Target: d.targetDSN, Dir: d.jobDir, Logger: d.log,
		OnTracker: func(t *status.Tracker) { opened <- t }}
	return &seedJob{startBackground(ctx, func(ctx context.Context) error { return replicator.Seed(ctx, o) }), opened}
}

var errFollowing = errors.New("following")

// untilFollowing tells how the copy goes until it follows.
func (d *demo) untilFollowing(ctx context.Context, job *seedJob) error {
	var tracker *status.Tracker
	select {
	case tracker = <-job.opened:
		job.opened <- tracker
	case <-job.ended:
		return job.err
	}
	began := time.Now()
	err := d.watch(ctx, demoLook, job, tracker, func(s status.Status) error {
		if s.Phase == status.Following {
			d.tell("%d tables with %s rows (%s), %d indexes and constraints, in %s", s.Copy.TablesTotal, status.Count(s.Copy.Rows),
				status.Size(float64(s.Copy.Bytes)), s.Indexes.Built, status.Seconds(time.Since(began).Seconds()))
			return errFollowing
		}
		return nil
	})
	if errors.Is(err, errFollowing) {
		return nil
	}
	return errors.Join(err, ctx.Err())
}

// follow tells how following goes for some time.
func (d *demo) follow(ctx context.Context, job *seedJob, long time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	err := d.watch(bounded, demoGlance, job, <-job.opened, func(status.Status) error { return nil })
	return errors.Join(err, ctx.Err())
}

// watch tells the status, when it is a new one, until look or ctx ends it; that the engine ends is
// an error.
func (d *demo) watch(ctx context.Context, every time.Duration, job *seedJob, t *status.Tracker, look func(status.Status) error) error {
	told := ""
	show := func(s status.Status) error {
		if line := status.Line(s); line != told {
			d.tell("%s", line)
			told = line
		}
		return look(s)
	}
	read := func(context.Context) (status.Status, error) {
		select {
		case <-job.ended:
			return status.Status{}, cmp.Or(job.err, errEnded)
		default:
			return t.Status(), nil
		}
	}
	return status.Watch(ctx, every, read, show)
}

var errEnded = errors.New("the engine ended before its time")

// catchup is the command of that name.
func (d *demo) catchup(ctx context.Context, rehearse bool) (*catchup.Report, error) {
	o := replicator.CatchupOptions{Dir: d.jobDir, Source: d.sourceDSN, Target: d.targetDSN,
		Fence: source.FenceDatabase, Rehearse: rehearse, Operator: d.a.operator(), Logger: d.log}
	report, err := replicator.Catchup(ctx, o, func(e catchup.Event) {
		if e.State != catchup.StepBegins {
			d.tell("%s", oneLine(e.String()))
		}
	})
	if report != nil {
		files, werr := keepReport(report, reportDir("", d.dir))
		err = errors.Join(err, werr)
		for _, f := range files.reports {
			d.log.Info("report written", "file", f)
		}
	}
	return report, err
}

// finish lets the wards work on the new server, shows the report, and clears up.
func (d *demo) finish(ctx context.Context, report *catchup.Report) error {
	d.chapter("The wards go on, on the new server.")
	after, err := startWards(ctx, d.target, demoSeed+1)
	if err != nil {
		return err
	}
	defer after.stop()
	pause(ctx, demoAfter)
	if err := after.stop(); err != nil {
		return err
	}
	d.tell("they wrote %s", after.count())

	d.chapter("The report:")
	fmt.Fprintln(d.out)
	if err := report.WriteText(d.out); err != nil {
		return err
	}
	d.linger(ctx)
	return d.clear(ctx, report)
}

// clear is replicator cleanup.
func (d *demo) clear(ctx context.Context, report *catchup.Report) error {
	d.chapter("replicator cleanup: slot, publication, our schema on the target, local state.")
	o := replicator.CleanupOptions{Dir: d.jobDir, Source: d.sourceDSN, Target: d.targetDSN, Logger: d.log}
	if err := replicator.Cleanup(context.WithoutCancel(ctx), o); err != nil {
		return err
	}
	d.tell("The reports are in %s; open the .html one in a browser.", reportDir("", d.dir))
	if d.a.json {
		return d.a.writeJSON(report)
	}
	return nil
}

func pause(ctx context.Context, long time.Duration) {
	t := time.NewTimer(long)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
