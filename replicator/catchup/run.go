package catchup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"replicator/chunker"
	"replicator/replicator/fault"
)

// Run does the catch-up, step by step, and reports. Until the step "open" every way out lifts the
// fence: a failed gate or comparison, the timeout, the end of ctx. It may be repeated at any
// time; steps that are through are found through.
func Run(ctx context.Context, job Job, o Options, report *Report, tell func(Event)) error {
	r := &run{job: job, o: o, report: report, tell: tell}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	err := r.all(ctx)
	if err == nil {
		report.End(r.outcome(), nil)
		return nil
	}
	if ctx.Err() != nil {
		err = stopped(context.Cause(ctx))
	}
	err = r.back(context.WithoutCancel(ctx), err)
	outcome := Failed
	if ctx.Err() != nil {
		outcome = Aborted
	}
	report.End(outcome, err)
	return err
}

// run is one attempt.
type run struct {
	job    Job
	o      Options
	report *Report
	tell   func(Event)

	fenced bool // or begun to be
	opened bool // or begun to be
	late   []chunker.Table
	all_   []chunker.Table
}

// errTimeout ends an attempt that took longer than the operator allows.
var errTimeout = fault.New(fault.Interrupted, errors.New("catch-up took longer than --timeout"), "the fence is lifted; run it again at a quieter moment, or with more time")

// stopped gives the end of a context its code, unless whoever ended it has.
func stopped(cause error) error {
	if fault.CodeOf(cause) == fault.Unexpected && errors.Is(cause, context.Canceled) {
		return fault.New(fault.Interrupted, errors.New("the catch-up was told to stop"), "run it again when it suits")
	}
	return cause
}

func (r *run) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.o.Timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, r.o.Timeout, errTimeout)
}

func (r *run) outcome() Outcome {
	if r.o.Rehearsal {
		return Rehearsed
	}
	return Opened
}

// all is the order of DESIGN.md section 8.
func (r *run) all(ctx context.Context) error {
	steps := []struct {
		name string
		do   func(context.Context) (string, error)
		live bool // changes something: a rehearsal leaves it out
	}{
		{"gates", r.gates, false},
		{"fence the source", r.fence, true},
		{"drain", r.drain, false},
		{"late tables", r.lateTables, false},
		{"sequences", r.sequences, false},
		{"triggers, rules, views", r.finish, true},
		{"verify", r.verify, false},
		{"nobody else wrote", r.proof, true},
		{"open the target", r.open, true},
	}
	for _, s := range steps {
		if r.o.Rehearsal && s.live {
			r.report.Steps = append(r.report.Steps, Step{Name: s.name, Started: time.Now().UTC(), Skipped: true, Detail: "left out of a rehearsal"})
			continue
		}
		if err := r.step(ctx, s.name, s.do); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// step times one step.
func (r *run) step(ctx context.Context, name string, do func(context.Context) (string, error)) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	began := time.Now()
	r.tell(Event{At: began.UTC(), Step: name, State: StepBegins})
	detail, err := do(ctx)
	took := time.Since(began).Seconds()
	r.report.Steps = append(r.report.Steps, Step{Name: name, Started: began.UTC(), Seconds: took, Detail: detail})
	if err != nil {
		detail = err.Error()
	}
	r.tell(Event{At: time.Now().UTC(), Step: name, State: StepEnds, Seconds: took, Text: detail})
	return err
}

// back lifts the fence after a failure before "open".
func (r *run) back(ctx context.Context, err error) error {
	if !r.fenced {
		return err
	}
	if r.opened {
		return fault.New(fault.CodeOf(err), fmt.Errorf("whether the target is open is not known: %w", err),
			"the source stays fenced, so that never both take writes; run catchup again to finish, or with --abort to go back")
	}
	r.tell(Event{At: time.Now().UTC(), Step: "lift the fence", State: StepBegins})
	began := time.Now()
	if lerr := r.job.Lift(ctx); lerr != nil {
		return fault.New(fault.Source, errors.Join(err, fmt.Errorf("lift the fence: %w", lerr)),
			"the source still refuses writes: run catchup --abort when it can be reached")
	}
	took := time.Since(began).Seconds()
	r.report.Steps = append(r.report.Steps, Step{Name: "lift the fence", Started: began.UTC(), Seconds: took})
	r.tell(Event{At: time.Now().UTC(), Step: "lift the fence", State: StepEnds, Seconds: took, Text: "the source takes writes again"})
	return err
}

func (r *run) gates(ctx context.Context) (string, error) {
	var err error
	if r.report.Source, r.report.Target, err = r.job.Facts(ctx); err != nil {
		return "", err
	}
	if r.all_, err = r.job.Tables(ctx); err != nil {
		return "", err
	}
	bytes, seconds := r.job.Lag()
	if r.o.MaxLag == 0 {
		r.o.MaxLag = DefaultMaxLag
	}
	if bytes > r.o.MaxLag {
		return "", fault.New(fault.Preflight, fmt.Errorf("the target is %d MiB of WAL behind", bytes>>20), "wait until replicator status shows a smaller lag")
	}
	return fmt.Sprintf("lag %d KiB, %.1f s", bytes>>10, seconds), r.strangers(ctx)
}

// strangers warns of others on the target. They are no reason to refuse: what they have written the
// comparison finds, and who writes at the fence is refused there.
func (r *run) strangers(ctx context.Context) (err error) {
	r.report.Strangers, err = r.job.Strangers(ctx)
	for i := range r.report.Strangers {
		if s := &r.report.Strangers[i]; s.Sessions > 0 || s.Writing > 0 {
			r.tell(Event{At: time.Now().UTC(), Step: "gates", State: StepNote, Text: "somebody else on the target: " + s.String()})
		}
	}
	return err
}

// alone refuses while somebody else writes on the target: what they do would come after the comparison.
func (r *run) alone(ctx context.Context) error {
	who, err := r.job.Writers(ctx)
	if err == nil && len(who) > 0 {
		err = fault.New(fault.Preflight, fmt.Errorf("somebody else writes on the target: %s", strings.Join(who, "; ")),
			"end their transactions, and verify before the next catch-up: what they wrote is not on the source")
	}
	return err
}

func (r *run) fence(ctx context.Context) (string, error) {
	if err := r.alone(ctx); err != nil {
		return "", err
	}
	r.fenced = true
	return r.job.Fence(ctx, r.o.Fence)
}

func (r *run) drain(ctx context.Context) (string, error) {
	lsn, _, err := r.job.Reach(ctx, "fence")
	if err != nil {
		return "", err
	}
	r.report.FenceLSN = lsn
	return "applied up to " + lsn.String(), nil
}

func (r *run) lateTables(ctx context.Context) (string, error) {
	var err error
	if r.late, err = r.job.Late(ctx, r.o.Rehearsal); err != nil {
		return "", err
	}
	if r.o.Rehearsal {
		var bytes int64
		for i := range r.late {
			bytes += r.late[i].Bytes
		}
		compare := r.toCompare()
		r.report.Predicted = r.job.Predict(r.late, compare).Seconds()
		return fmt.Sprintf("%d tables with %d MiB would be copied, %d compared", len(r.late), bytes>>20, len(compare)), nil
	}
	rows, bytes, err := r.job.CopyLate(ctx, r.late)
	return fmt.Sprintf("%d tables, %d rows, %d MiB", len(r.late), rows, bytes>>20), err
}

func (r *run) sequences(ctx context.Context) (string, error) {
	n, err := r.job.Sequences(ctx, r.o.Rehearsal)
	r.report.Sequences = n
	return fmt.Sprintf("%d sequences", n), err
}

func (r *run) finish(ctx context.Context) (string, error) { return r.job.Finish(ctx) }

// proof shows that nobody wrote after the fence: no transaction but ours came through the stream, and
// nobody is there who could have one open, on the target neither.
func (r *run) proof(ctx context.Context) (string, error) {
	if err := r.alone(ctx); err != nil {
		return "", err
	}
	who, err := r.job.Audit(ctx)
	if err != nil {
		return "", err
	}
	if len(who) > 0 {
		return "", fault.New(fault.Preflight, fmt.Errorf("somebody can still write on the source: %s", strings.Join(who, "; ")), "end these sessions and run catchup again")
	}
	lsn, foreign, err := r.job.Reach(ctx, "proof")
	if err != nil {
		return "", err
	}
	if foreign > 0 {
		return "", fault.New(fault.Preflight, fmt.Errorf("%d transactions wrote on the source after the fence, up to %s", foreign, lsn),
			"find out who: the fence did not hold them; then run catchup again")
	}
	r.report.ConsistentLSN = lsn
	r.report.MissedRows = r.job.Missed()
	return "no transaction but ours up to " + lsn.String(), nil
}

func (r *run) open(ctx context.Context) (string, error) {
	r.opened = true
	return "", r.job.Open(context.WithoutCancel(ctx))
}
