package replicator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/control"
	"replicator/replicator/fault"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// CatchupOptions say which job is caught up and how.
type CatchupOptions struct {
	Dir     string
	Source  string // DSNs, needed only when no seed runs and the job's hold a password
	Target  string
	KeyFile string // needed only when no seed runs and the job was begun with one
	Link    Link

	Fence    source.FenceMode
	Rehearse bool
	Abort    bool // lift the fence of an attempt that was interrupted, and do nothing else
	Timeout  time.Duration
	Verify   catchup.Verify
	Operator catchup.Operator
	catchup.Gates
	// Acknowledge is the operator's word that the losses of the manifest are known, see Options.
	Acknowledge string

	Logger *slog.Logger
	Hook   func(point string)
}

// Validate fills in the defaults; its errors are of code fault.Usage.
func (o *CatchupOptions) Validate() error {
	if o.Fence == "" {
		o.Fence = source.FenceDatabase
	}
	if o.Verify == "" {
		o.Verify = catchup.VerifyChanged
	}
	return fault.New(fault.Usage, errors.Join(
		required("dir", o.Dir),
		oneOf("fence", string(o.Fence), string(source.FenceDatabase), string(source.FenceOperator)),
		oneOf("verify", string(o.Verify), string(catchup.VerifyChanged), string(catchup.VerifyFull), string(catchup.VerifyLate), string(catchup.VerifyNone)),
	), "see replicator catchup --help")
}

// Catchup has the running seed do the catch-up, or does it itself where none runs. The report is
// there whenever the catch-up began, also with an error.
func Catchup(ctx context.Context, o CatchupOptions, tell func(catchup.Event)) (*catchup.Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	report, err := control.Client(o.Dir).Catchup(ctx, o.request(), tell)
	if !errors.Is(err, control.ErrNotRunning) {
		return report, err
	}
	seed := Options{Dir: o.Dir, KeyFile: o.KeyFile, Source: o.Source, Target: o.Target, Link: o.Link, Logger: o.Logger, Hook: o.Hook}
	if err := seed.Validate(); err != nil {
		return nil, err
	}
	j, err := open(ctx, seed, false)
	if err != nil {
		return nil, err
	}
	if o.Abort {
		return nil, finish(ctx, j, j.abort(ctx))
	}
	err = j.run(ctx, func(ctx context.Context) error {
		var err error
		report, err = j.catchup(ctx, o.request(), tell)
		return err
	})
	return report, finish(ctx, j, err)
}

// request is the options as they go through the control socket.
func (o *CatchupOptions) request() control.Request {
	return control.Request{
		Fence: string(o.Fence), Rehearse: o.Rehearse, Abort: o.Abort, Timeout: o.Timeout, Verify: string(o.Verify), Operator: o.Operator, Gates: o.Gates,
		Acknowledge: o.Acknowledge,
	}
}

// catchup is one catch-up of a job that follows.
func (j *job) catchup(ctx context.Context, req control.Request, tell func(catchup.Event)) (*catchup.Report, error) {
	if !j.busy.TryLock() {
		return nil, fault.New(fault.Usage, errors.New("a catch-up is under way already"), "")
	}
	defer j.busy.Unlock()
	defer j.noVerify()()
	if req.Abort {
		return nil, j.abort(ctx)
	}
	select {
	case <-j.following:
	default:
		return nil, fault.New(fault.Preflight, errors.New("the target does not follow yet"), "wait until replicator status shows phase following")
	}
	f := &finisher{job: j, rehearsal: req.Rehearse, word: req.Acknowledge, lookups: newLender(j.source, j.o.Jobs)}
	defer f.lookups.close()
	defer f.giveTurnBack()
	if open, err := f.foundOpen(ctx); err != nil || open {
		return nil, err
	}
	if err := j.objectsReady(ctx); err != nil {
		return nil, err
	}
	key, err := j.reportKey() // before anything is fenced: a report that cannot be signed is a bad end
	if err != nil {
		return nil, err
	}
	report := j.newReport(req)
	fenced, err := j.isFenced()
	if err != nil {
		return nil, err
	}
	o := catchup.Options{Fence: source.FenceMode(req.Fence), Rehearsal: req.Rehearse, Timeout: req.Timeout, Verify: catchup.Verify(req.Verify), Fenced: fenced, Gates: req.Gates}
	err = catchup.Run(ctx, f, o, report, tell)
	return report, errors.Join(err, report.Sign(key), j.keepReport(report), j.measureSteps(report))
}

// keepReport keeps the last report with the job.
func (j *job) keepReport(r *catchup.Report) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep the report: %w", err)
	}
	return j.store.Put(keyReport, json.RawMessage(raw))
}

// isFenced reports whether a catch-up has begun to fence the source and neither opened the target nor
// lifted the fence.
func (j *job) isFenced() (bool, error) {
	var m source.FenceMemory
	return j.store.Get(keyFence, &m)
}

var _ = status.Open
