package catchup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"replicator/chunker"
	"replicator/replicator/fault"
)

// Run does the catch-up, step by step, and reports. Until the step "open" every way out lifts the
// fence: a failed gate or comparison, the timeout, the end of ctx. It may be repeated at any
// time; steps that are through are found through.
func Run(ctx context.Context, job Job, o Options, report *Report, tell func(Event)) error {
	o.defaults()
	r := &run{job: job, o: o, report: report, tell: oneByOne(tell), fenced: o.Fenced && !o.Rehearsal}
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
	look   *look // nil before the fence
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
	defer r.stopLook()
	steps := []struct {
		name string
		do   func(context.Context) (string, error)
		live bool // changes something: a rehearsal leaves it out
	}{
		{"gates", r.gates, false},
		{fenceStep, r.fence, true},
		{"drain", r.drain, false},
		{"late tables", r.lateTables, false},
		{"large objects", r.largeObjects, false},
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
	if r.o.Rehearsal {
		return r.predict(ctx)
	}
	return nil
}

// predict sums up what a catch-up is expected to take: steps that the rehearsal did as long as they took,
// the others as the job has measured.
func (r *run) predict(ctx context.Context) error {
	list, err := r.job.Predict(ctx, r.late, r.toCompare(), r.o.Verify == VerifyChanged)
	if err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	for _, s := range r.report.Steps {
		i := slices.IndexFunc(list, func(p Prediction) bool { return p.Step == s.Name })
		switch {
		case i >= 0:
			r.report.Predictions = append(r.report.Predictions, list[i])
		case !s.Skipped:
			r.report.Predictions = append(r.report.Predictions, Prediction{s.Name, s.Seconds, "as in this rehearsal"})
		default:
			r.report.Predictions = append(r.report.Predictions, Prediction{s.Name, -1, "no catch-up has done it before; not in the sum"})
		}
	}
	for _, p := range r.report.Predictions {
		r.report.Predicted += max(p.Seconds, 0)
	}
	return nil
}

// step times one step.
func (r *run) step(ctx context.Context, name string, do func(context.Context) (string, error)) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return r.timed(name, func() (string, error) { return do(ctx) })
}

// timed puts a step into the report, also one that fails.
func (r *run) timed(name string, do func() (string, error)) error {
	began := time.Now()
	r.tell(Event{At: began.UTC(), Step: name, State: StepBegins})
	quiet := r.notes(name)
	detail, err := do()
	quiet()
	took := time.Since(began).Seconds()
	if err != nil {
		detail = err.Error()
	}
	r.report.Steps = append(r.report.Steps, Step{Name: name, Started: began.UTC(), Seconds: took, Detail: detail, Failed: err != nil})
	r.tell(Event{At: time.Now().UTC(), Step: name, State: StepEnds, Seconds: took, Text: detail, Failed: err != nil})
	return err
}

// notes tells every so often how far a step has come, until the function is called that it returns.
func (r *run) notes(step string) (quiet func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(r.o.Every)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				if text := r.job.Progress(); text != "" {
					r.tell(Event{At: now.UTC(), Step: step, State: StepNote, Text: text})
				}
			case <-over:
				return
			}
		}
	}()
	return func() { close(over); <-ended }
}

// oneByOne lets several goroutines tell.
func oneByOne(tell func(Event)) func(Event) {
	var mu sync.Mutex
	return func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		tell(e)
	}
}

// back lifts the fence after a failure before "open". That it could not be lifted is worse than what
// went wrong before, and comes first.
func (r *run) back(ctx context.Context, err error) error {
	if !r.fenced {
		return err
	}
	if r.opened {
		return fault.New(fault.CodeOf(err), fmt.Errorf("whether the target is open is not known: %w", err),
			"the source stays fenced, so that never both take writes; run catchup again to finish, or with --abort to go back")
	}
	lerr := r.timed("lift the fence", func() (string, error) { return "the source takes writes again", r.job.Lift(ctx) })
	if lerr != nil {
		return fault.New(fault.Source, fmt.Errorf("THE SOURCE STILL REFUSES WRITES, its fence could not be lifted: %w; it was to be lifted after: %w", lerr, err),
			"run catchup --abort when the source can be reached")
	}
	return err
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
	if r.o.Rehearsal {
		r.report.RehearsedLSN = lsn
	} else {
		r.report.FenceLSN = lsn
		r.beginLook(ctx)
	}
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
		return fmt.Sprintf("%d tables with %d MiB would be copied", len(r.late), bytes>>20), nil
	}
	rows, bytes, err := r.job.CopyLate(ctx, r.late)
	return fmt.Sprintf("%d tables, %d rows, %d MiB", len(r.late), rows, bytes>>20), err
}

func (r *run) largeObjects(ctx context.Context) (string, error) {
	o, err := r.job.LargeObjects(ctx, r.o.Rehearsal, r.o.Verify == VerifyFull)
	if err != nil {
		return "", err
	}
	r.report.LargeObjects = o
	return o.String(), nil
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
	if err := r.endLook(); err != nil {
		return "", err
	}
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
	// The stream does not show them.
	if err := r.job.LargeObjectsStay(ctx); err != nil {
		return "", err
	}
	r.report.ConsistentLSN = lsn
	r.report.MissedRows = r.job.Missed()
	return "no transaction but ours up to " + lsn.String(), nil
}

func (r *run) open(ctx context.Context) (string, error) {
	r.opened = true
	return "", r.job.Open(context.WithoutCancel(ctx))
}
