package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"replicator/replicator/status"
)

// How often progress is shown. A job follows for days: then a line a minute is enough for a file.
const (
	liveEvery   = time.Second
	linesEvery  = 5 * time.Second
	followEvery = time.Minute
)

// progress shows how far a job is while it runs: live on a terminal, as log lines elsewhere, as
// JSON lines on stdout with --json.
type progress struct {
	a   *app
	log *slog.Logger

	group sync.WaitGroup
	stop  context.CancelFunc
	job   *status.Tracker
	shown status.Status
}

// begin is called when the job is open; end must be called after.
func (p *progress) begin(ctx context.Context, job *status.Tracker) {
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx)) // until the engine returns
	p.job = job
	every, show := linesEvery, p.logLine
	switch {
	case p.a.json:
		show = func(s status.Status) error { return p.a.writeLine(s) }
	case p.a.stderr.tty:
		every, show = liveEvery, p.liveLine
	}
	read := func(context.Context) (status.Status, error) { return job.Status(), nil }
	p.group.Go(func() {
		if err := status.Watch(ctx, every, read, show); err != nil {
			p.log.Error("show progress", "error", err)
		}
	})
}

// end stops showing and gives the last status; ok is false if the job was never open.
func (p *progress) end() (last status.Status, ok bool) {
	if p.job == nil {
		return last, false
	}
	p.stop()
	p.group.Wait()
	p.a.stderr.setLine("")
	return p.job.Status(), true
}

func (p *progress) liveLine(s status.Status) error {
	p.a.stderr.setLine(status.Line(s))
	return nil
}

func (p *progress) logLine(s status.Status) error {
	if s.Phase == status.Following && p.shown.Phase == s.Phase && s.At.Sub(p.shown.At) < followEvery {
		return nil
	}
	p.shown = s
	if p.a.logFormat == "json" {
		p.log.Info("progress", "phase", s.Phase, "line", status.Line(s))
		return nil
	}
	p.log.Info(status.Line(s))
	return nil
}
