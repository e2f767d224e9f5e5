package replicator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/control"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/target"
	"replicator/replicator/verify"
	"replicator/wal"
)

// VerifyOptions say which job is verified and how.
type VerifyOptions struct {
	Dir     string
	KeyFile string
	Source  string // DSNs and link, needed only when no seed runs and the job's hold a password
	Target  string
	Link    Link

	verify.Options

	Logger *slog.Logger
}

// Verify has the running seed compare both sides, or does it itself where none runs. The report is
// there whenever the comparison began, also with an error.
func Verify(ctx context.Context, o VerifyOptions, tell func(verify.Event)) (*verify.Report, error) {
	if err := errors.Join(required("dir", o.Dir), o.Options.Validate()); err != nil {
		return nil, fault.New(fault.Usage, err, "see replicator verify --help")
	}
	report, err := control.Client(o.Dir).Verify(ctx, o.Options, tell)
	if !errors.Is(err, control.ErrNotRunning) {
		return report, err
	}
	seed := Options{Dir: o.Dir, KeyFile: o.KeyFile, Source: o.Source, Target: o.Target, Link: o.Link, Logger: o.Logger}
	if err := seed.Validate(); err != nil {
		return nil, err
	}
	j, err := open(ctx, seed, false)
	if err != nil {
		return nil, err
	}
	err = j.run(ctx, func(ctx context.Context) error {
		var err error
		report, err = j.verify(ctx, o.Options, tell)
		return err
	})
	return report, finish(ctx, j, err)
}

// verify is one verification of a job that follows. A catch-up ends it.
func (j *job) verify(ctx context.Context, o verify.Options, tell func(verify.Event)) (*verify.Report, error) {
	select {
	case <-j.following:
	default:
		return nil, fault.New(fault.Preflight, errors.New("the target does not follow yet"), "wait until replicator status shows phase following")
	}
	if !j.verifying.TryLock() {
		return nil, fault.New(fault.Usage, errors.New("another verification or a catch-up is under way"), "wait for its end: see replicator status")
	}
	defer j.verifying.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	j.mu.Lock()
	j.endVerify = cancel
	j.mu.Unlock()
	v, err := j.newVerifier()
	if err != nil {
		return nil, err
	}
	var last *verify.Report
	if _, err := j.store.Get(keyVerify, &last); err != nil {
		return nil, err
	}
	report := verify.NewReport(j.rec.Job, o, last)
	err = verify.Run(ctx, v, o, report, tell)
	if cause := context.Cause(ctx); cause != nil && (errors.Is(cause, errCatchupFirst) || errors.Is(cause, errStatementFirst)) {
		err = cause
	}
	return report, err
}

var errCatchupFirst = fault.New(fault.Interrupted, errors.New("a catch-up has begun, which comes first"), "run verify again when it is over; it goes on with the tables that are left")

// noVerify ends a verification that runs, waits for its end, and lets none begin until the function is
// called that it returns.
func (j *job) noVerify() (allow func()) {
	j.endVerification(errCatchupFirst)
	j.verifying.Lock()
	return j.verifying.Unlock
}

// endVerification ends a verification that runs; it can be gone on with.
func (j *job) endVerification(why error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.endVerify != nil {
		j.endVerify(why)
	}
}

// verifier is the job as package verify sees it.
type verifier struct {
	*job
	secret checksum.Secret
	text   bool
	done   *atomic.Int64 // bytes of the source's tables that are read; nil: nobody asks
}

var _ verify.Job = (*verifier)(nil)

// newVerifier takes the key of the job's fingerprints, or makes it: hashes of rows that somebody could
// guess tell nothing to who has not got it.
func (j *job) newVerifier() (*verifier, error) {
	v := &verifier{job: j, text: textStream(j.planned())}
	var kept []byte
	found, err := j.store.Get(keySecret, &kept)
	if err == nil && !found {
		v.secret = checksum.NewSecret()
		return v, j.store.Put(keySecret, v.secret[:])
	}
	copy(v.secret[:], kept)
	return v, err
}

// Tables implements verify.Job.
func (v *verifier) Tables(ctx context.Context, patterns []string) (tables []*chunker.Table, late []string, err error) {
	meant := make([]bool, len(v.planned()))
	err = (&finisher{job: v.job}).onSource(ctx, "tables", func(c *pg.Conn) error {
		changes, err := v.changedTables(ctx, c)
		if err == nil {
			changes, err = v.settled(ctx, c, v.fatal(changes))
		}
		if err == nil {
			err = v.refuse(v.fatal(changes))
		}
		if err != nil || len(patterns) == 0 {
			return err
		}
		groups, err := schema.Matching(ctx, c, v.planned(), patterns)
		for i := range groups {
			meant[i] = groups[i] < len(patterns)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for i := range v.planned() {
		switch t := &v.planned()[i]; {
		case len(patterns) > 0 && !meant[i], t.Gone:
		case t.Late():
			late = append(late, t.String())
		default:
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		return nil, nil, fault.New(fault.Usage, errors.New("no followed table is meant"), "late tables are compared at the fence; look at --tables")
	}
	return tables, late, nil
}

// Align implements verify.Job. Changes of the tables are noted from before: so none is missed after
// the point at which they are found equal.
func (v *verifier) Align(ctx context.Context, tables []*chunker.Table) (*verify.Aligned, error) {
	if err := v.touch.watch(ctx, tables, v.text); err != nil {
		return nil, err
	}
	m := &meeting{}
	if err := v.persist(ctx, "arrange to verify", func() error { return v.arrange(ctx, m) }); err != nil {
		m.close(ctx)
		return nil, err
	}
	began := time.Now()
	resume := v.standstill()
	err := v.meet(ctx, m, tables)
	resume()
	pause := time.Since(began)
	if err != nil {
		m.close(ctx)
		return nil, v.overtaken(ctx, err)
	}
	v.log.Debug("both sides at one point", "lsn", m.lsn, "pause", pause)
	return &verify.Aligned{
		LSN: m.lsn, Pause: pause, Jobs: v.o.Jobs,
		Source: func(t *chunker.Table, sessions int) verify.Side { return v.sourceSide(m, t, sessions) },
		Target: func(t *chunker.Table, sessions int) chunker.Side { return m.view.Side(t, v.text, sessions, v.secret) },

		SourceTotals: v.sourceTotals(m), TargetTotals: v.targetTotals(m),
		Close: func() { m.close(ctx) },
	}, nil
}

func (v *verifier) sourceSide(m *meeting, t *chunker.Table, sessions int) *chunker.Scan {
	return &chunker.Scan{
		Table: t, Text: v.text, Jobs: sessions, Snapshot: m.export, LockTimeout: source.LockTimeout, Secret: v.secret, Done: v.done,
		Connect: func(ctx context.Context) (*pg.Conn, error) { return m.readers.scan(ctx, "verify") }, Release: m.readers.unlent,
	}
}

// overtaken looks whether a table was not found because of a statement that is still on its way in the
// stream. It waits until the plan has followed, which ends the verification so that it can be gone on with.
func (v *verifier) overtaken(ctx context.Context, err error) error {
	if !missing(err) {
		return err
	}
	return (&finisher{job: v.job}).onSource(ctx, "statements", func(c *pg.Conn) error {
		changes, lerr := v.changedTables(ctx, c)
		if lerr == nil {
			changes, lerr = v.settled(ctx, c, v.fatal(changes))
		}
		switch refused := v.refuse(v.fatal(changes)); {
		case lerr != nil:
			return lerr
		case refused != nil:
			return refused
		case !v.carries():
			return err
		}
		v.endVerification(errStatementFirst)
		return errStatementFirst
	})
}

func (v *verifier) sourceTotals(m *meeting) verify.Totals {
	return func(ctx context.Context, tables []*chunker.Table, sessions int, of checksum.Selection) ([]checksum.Set, error) {
		return v.sourceSide(m, nil, sessions).Totals(ctx, tables, of)
	}
}

func (v *verifier) targetTotals(m *meeting) verify.Totals {
	return func(ctx context.Context, tables []*chunker.Table, sessions int, of checksum.Selection) ([]checksum.Set, error) {
		return m.view.Totals(ctx, target.Totals{Tables: tables, Text: v.text, Jobs: sessions, Secret: v.secret, Of: of})
	}
}

// Repair implements verify.Job. Nobody applies until the rows are there: later changes find them as
// the source had them.
func (v *verifier) Repair(ctx context.Context, t *chunker.Table, rows []checksum.KeyHash) (int, error) {
	n, err := v.copyAgain(ctx, t, rows)
	if err != nil {
		err = v.overtaken(ctx, err)
	}
	return n, err
}

func (v *verifier) copyAgain(ctx context.Context, t *chunker.Table, rows []checksum.KeyHash) (int, error) {
	resume := v.standstill()
	defer resume()
	m := &meeting{}
	defer m.close(ctx)
	if err := v.meet(ctx, m, []*chunker.Table{t}); err != nil {
		return 0, err
	}
	here, err := v.sourceSide(m, t, v.o.Jobs).Locate(ctx, rows)
	if err != nil {
		return 0, err
	}
	there, err := m.view.Side(t, v.text, v.o.Jobs, v.secret).Locate(ctx, rows)
	if err != nil {
		return 0, err
	}
	if err := few(here, there); err != nil {
		return 0, err
	}
	var data bytes.Buffer
	if _, err := m.keeper.CopyTo(ctx, &data, chunker.CopyRows(t, ctids(here))); err != nil {
		return 0, err
	}
	v.log.Info("rows are copied again", "table", t.String(), "remove", len(there), "write", len(here), "lsn", m.lsn)
	return len(here) + len(there), v.persist(ctx, "repair "+t.String(), func() error {
		return v.end.Mend(ctx, t, ctids(there), data.Bytes())
	})
}

// few refuses rows of which there are more copies than are named.
func few(lists ...[]chunker.Located) error {
	for _, list := range lists {
		n := map[checksum.KeyHash]int{}
		for _, l := range list {
			if n[l.Hash]++; n[l.Hash] >= chunker.CopiesLocated {
				return fault.New(fault.Mismatch, fmt.Errorf("a row without key has %d copies or more: too many to tell apart", chunker.CopiesLocated), "seed the table again")
			}
		}
	}
	return nil
}

func ctids(list []chunker.Located) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].CTID
	}
	return out
}

// Found implements verify.Job.
func (v *verifier) Found(t *chunker.Table, lsn wal.LSN, equal bool) error {
	if equal {
		return v.touch.prove(t.Ordinal, lsn)
	}
	return v.touch.disprove(t.Ordinal)
}

// Keep implements verify.Job: the last report is kept, and the history of those that ended.
func (v *verifier) Keep(r *verify.Report) error {
	if err := v.touch.keep(); err != nil { // a table of a report that is gone on with is not proved again
		return err
	}
	if r.Outcome == verify.Running || r.Ended.IsZero() {
		return v.store.Put(keyVerify, r)
	}
	var history []verify.Report
	if _, err := v.store.Get(keyVerified, &history); err != nil {
		return err
	}
	short := *r
	short.Tables = nil
	for _, t := range r.Tables {
		t.Differences = nil // the last report has them
		short.Tables = append(short.Tables, t)
	}
	history = append(history, short)
	if n := len(history); n > keptVerifications {
		history = history[n-keptVerifications:]
	}
	return errors.Join(v.store.Put(keyVerify, r), v.store.Put(keyVerified, history))
}

// keptVerifications is how many of them the history holds: a month of nights.
const keptVerifications = 31
