package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/wal"
)

// Job is what is verified, as the engine offers it. It tries again by itself what fails for a reason
// that goes away.
type Job interface {
	// Tables are the followed tables that the patterns mean, and the names of the late ones among
	// them, which cannot be compared while both sides are live.
	Tables(ctx context.Context, patterns []string) (tables []*chunker.Table, late []string, err error)
	// Align opens a snapshot of each side at one point of history. apply stands still for Pause.
	Align(ctx context.Context, tables []*chunker.Table) (*Aligned, error)
	// Repair copies rows from the source at a safe point: those with these key hashes. It returns how
	// many rows it removed and wrote.
	Repair(ctx context.Context, t *chunker.Table, rows []checksum.KeyHash) (int, error)
	// Found is told whether all rows of a table were equal as of lsn.
	Found(t *chunker.Table, lsn wal.LSN, equal bool) error
	// Strangers are those who were seen on the target since the job began, up to now.
	Strangers(ctx context.Context) ([]status.Stranger, error)
	// Keep keeps the report, as far as it is, and what Found was told before.
	Keep(r *Report) error
}

// Aligned is a snapshot of each side at one point of history.
type Aligned struct {
	LSN    wal.LSN
	Pause  time.Duration
	Jobs   int // sessions that read a side at once, those of all tables taken together
	Source func(t *chunker.Table, sessions int) Side
	Target func(t *chunker.Table, sessions int) chunker.Side
	// Of many little tables at once.
	SourceTotals, TargetTotals Totals

	Close func()
}

// Side is the source's: it can also tell the keys of its rows.
type Side interface {
	chunker.Side
	Locate(ctx context.Context, hashes []checksum.KeyHash) ([]chunker.Located, error)
}

// Event is progress: a table was compared.
type Event struct {
	Table Table `json:"table"`
	Done  int   `json:"done"`
	Of    int   `json:"of"`
}

// Run compares what o means and fills in the report, which may be one that a killed run has left. Its
// error is of code fault.Mismatch when tables differ.
func Run(ctx context.Context, job Job, o Options, report *Report, tell func(Event)) error {
	r := &run{job: job, o: o, report: report, tell: tell, at: map[string]int{}}
	for i := range report.Tables {
		r.at[report.Tables[i].Name] = i
	}
	began := time.Now()
	err := r.all(ctx)
	report.Ended = time.Now().UTC()
	report.Seconds += time.Since(began).Seconds()
	different := report.Different()
	switch {
	case err != nil && ctx.Err() != nil:
		report.Ended = time.Time{} // to be gone on with
	case err != nil:
		report.Outcome, report.Error = Failed, err.Error()
	case len(different) > 0:
		report.Outcome = Different
		err = fault.New(fault.Mismatch, fmt.Errorf("%d of %d tables differ", len(different), len(report.Tables)),
			"look who else writes to the target; verify --repair copies the rows that differ from the source")
	default:
		report.Outcome = Equal
	}
	return errors.Join(err, job.Keep(report))
}

// NewReport begins a report, or goes on with the last one if that was killed and has the same options.
func NewReport(job string, o Options, last *Report) *Report {
	if last != nil && last.Outcome == Running && last.Options.same(o) && time.Since(last.Started) < goneOn {
		return last
	}
	return &Report{Version: ReportVersion, Job: job, Options: o, Started: time.Now().UTC(), Outcome: Running, Tables: []Table{}}
}

// goneOn is how old a killed verification may be to be gone on with.
const goneOn = 24 * time.Hour

type run struct {
	job    Job
	o      Options
	report *Report
	tell   func(Event)
	total  int

	mu   sync.Mutex     // of the report
	at   map[string]int // where it has a table
	kept time.Time      // when it was kept last
	rest time.Duration  // until it is kept again
}

func (r *run) all(ctx context.Context) error {
	tables, late, err := r.job.Tables(ctx, r.o.Tables)
	if err != nil {
		return err
	}
	r.report.Left, r.total = late, len(tables)
	var left []*chunker.Table
	for _, t := range tables {
		if _, compared := r.at[t.String()]; !compared {
			left = append(left, t)
		}
	}
	if r.report.Strangers, err = r.job.Strangers(ctx); err != nil {
		return err
	}
	for _, g := range Groups(left) {
		if err := r.group(ctx, g); err != nil {
			return err
		}
	}
	r.report.Strangers, err = r.job.Strangers(ctx)
	return err
}

// group compares tables under one pair of snapshots, then repairs.
func (r *run) group(ctx context.Context, tables []*chunker.Table) error {
	c := &comparing{run: r}
	err := r.aligned(ctx, tables, func(a *Aligned) error {
		c.Aligned = a
		return Together(ctx, a.Jobs, tables, c.one, c.many)
	})
	for _, t := range c.broken {
		if err == nil {
			err = r.repair(ctx, t)
		}
	}
	return err
}

// comparing is a group under its snapshots.
type comparing struct {
	*run
	*Aligned
	broken []*chunker.Table // to be repaired
}

// one compares a table, and names what differs in it.
func (c *comparing) one(ctx context.Context, t *chunker.Table, sessions int) error {
	found, err := c.compare(ctx, c.Aligned, t, sessions)
	if err != nil {
		return fmt.Errorf("compare %s: %w", t, err)
	}
	return c.found(t, found)
}

// many compares little tables by the sums of their rows. Those that differ are then looked at one by one.
func (c *comparing) many(ctx context.Context, tables []*chunker.Table) error {
	began := time.Now()
	source, target, err := Sets(ctx, c.SourceTotals, c.TargetTotals, tables, c.Jobs, c.selection())
	if err != nil {
		return fmt.Errorf("compare %s and %d tables more: %w", tables[0], len(tables)-1, err)
	}
	each := time.Since(began).Seconds() / float64(len(tables))
	var different []*chunker.Table
	for i, t := range tables {
		if !source[i].Equal(target[i]) {
			different = append(different, t)
			continue
		}
		err := c.found(t, &Table{Name: t.String(), At: began.UTC(), LSN: c.LSN, Seconds: each, Rows: source[i].Rows, Bytes: source[i].Bytes, Equal: true})
		if err != nil {
			return err
		}
	}
	return SideBySide(ctx, c.Jobs, different, c.again)
}

// again looks at a table whose sums differ. Under the same snapshots it cannot be equal.
func (c *comparing) again(ctx context.Context, t *chunker.Table, sessions int) error {
	found, err := c.compare(ctx, c.Aligned, t, sessions)
	if err == nil && found.Equal {
		err = chunker.ErrMoved
	}
	if err != nil {
		return fmt.Errorf("compare %s: %w", t, err)
	}
	return c.found(t, found)
}

func (c *comparing) found(t *chunker.Table, found *Table) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !found.Equal && c.o.Repair {
		c.broken = append(c.broken, t)
	}
	return c.add(t, found)
}

func (r *run) aligned(ctx context.Context, tables []*chunker.Table, f func(*Aligned) error) error {
	a, err := r.job.Align(ctx, tables)
	if err != nil {
		return fmt.Errorf("bring both sides to one point: %w", err)
	}
	defer a.Close()
	r.report.Pause = max(r.report.Pause, a.Pause.Seconds())
	return f(a)
}

// add puts a comparison into the report, in the place of an older one of the table.
func (r *run) add(of *chunker.Table, t *Table) error {
	if r.o.Sample == 0 || !t.Equal {
		if err := r.job.Found(of, t.LSN, t.Equal); err != nil {
			return err
		}
	}
	if i, again := r.at[t.Name]; again {
		r.report.Tables[i] = *t
	} else {
		r.at[t.Name] = len(r.report.Tables)
		r.report.Tables = append(r.report.Tables, *t)
	}
	r.tell(Event{Table: *t, Done: len(r.report.Tables), Of: r.total})
	return r.keep()
}

// keep keeps the report from time to time: it is kept whole, and with thousands of small tables that would
// take longer than to compare them. What a kill takes away is compared again.
func (r *run) keep() error {
	began := time.Now()
	if began.Sub(r.kept) < r.rest {
		return nil
	}
	err := r.job.Keep(r.report)
	r.kept = time.Now()
	r.rest = keepShare * r.kept.Sub(began)
	return err
}

// keepShare bounds what keeping the report takes of the time.
const keepShare = 20

// compare compares one table, and names the rows in which it differs.
func (r *run) compare(ctx context.Context, a *Aligned, t *chunker.Table, sessions int) (*Table, error) {
	found := &Table{Name: t.String(), At: time.Now().UTC(), LSN: a.LSN}
	began := time.Now()
	src, tgt := a.Source(t, sessions), a.Target(t, sessions)
	of := r.selection()
	source, target, err := Fingerprints(ctx, src, tgt, of)
	if err != nil {
		return nil, err
	}
	sum := source.Total()
	found.Rows, found.Bytes, found.Equal = sum.Rows, sum.Bytes, source.Equal(target)
	if !found.Equal {
		err = r.name(ctx, found, src, tgt, of, source, target)
	}
	found.Seconds = time.Since(began).Seconds()
	return found, err
}

func (r *run) selection() checksum.Selection {
	if r.o.Sample == 0 {
		return nil
	}
	return checksum.Sample(r.o.Sample, int(r.report.Started.Unix()/86400))
}

// name finds the rows that differ.
func (r *run) name(ctx context.Context, found *Table, src Side, tgt chunker.Side, of checksum.Selection, source, target *checksum.Fingerprint) error {
	n, err := chunker.Narrow(ctx, src, tgt, of, source, target, named)
	if err != nil {
		return err
	}
	found.More = !n.Complete
	keys := map[string][]string{}
	if r.o.ShowKeys {
		located, err := src.Locate(ctx, hashes(n.Differences))
		if err != nil {
			return err
		}
		for _, l := range located {
			keys[l.Hash.String()] = l.Key
		}
	}
	for _, d := range n.Differences {
		h := d.Key.String()
		found.Differences = append(found.Differences, Row{Kind: string(d.Kind()), KeyHash: h, Key: keys[h]})
	}
	return nil
}

func hashes(ds []checksum.Difference) []checksum.KeyHash {
	out := make([]checksum.KeyHash, len(ds))
	for i := range ds {
		out[i] = ds[i].Key
	}
	return out
}

// repair copies the rows of a table that differ, and compares the table again.
func (r *run) repair(ctx context.Context, t *chunker.Table) error {
	found := &r.report.Tables[r.at[t.String()]]
	rows := make([]checksum.KeyHash, len(found.Differences))
	for i := range found.Differences {
		if err := rows[i].UnmarshalText([]byte(found.Differences[i].KeyHash)); err != nil {
			return err
		}
	}
	n, err := r.job.Repair(ctx, t, rows)
	if err != nil {
		return fmt.Errorf("repair %s: %w", t, err)
	}
	return r.aligned(ctx, []*chunker.Table{t}, func(a *Aligned) error {
		again, err := r.compare(ctx, a, t, a.Jobs)
		if err != nil {
			return fmt.Errorf("compare %s: %w", t, err)
		}
		again.Repaired = n
		return r.add(t, again)
	})
}
