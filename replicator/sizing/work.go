package sizing

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/schema"
	"replicator/replicator/sizing/forecast"
	"replicator/replicator/verify"
)

// What a seed takes before rows come beside what is measured: its state directory, the publication,
// the slot and the look whether it can be decoded, the first session of each kind.
const beginSeconds = 1.0

// work gathers what was measured into what a seed will do.
func (t *trial) work(ctx context.Context, r *Report) error {
	w := &t.p.Work
	w.Path.Chunk = t.chunk
	late := forecast.Work{Path: w.Path}
	t.p.facts.step = t.built.empty
	rows := map[uint32]float64{}
	var sampled float64
	for i := range t.c.tables {
		table := &t.c.tables[i]
		ft, n := t.table(r, table)
		rows[table.OID] = n
		if t.p.facts.sums += sumsOf(table, n); kindOf(table) == Small {
			t.p.facts.small++
		} else {
			t.p.facts.large += ft.Bytes
		}
		if table.Late() {
			late.Tables = append(late.Tables, ft)
			continue
		}
		w.Tables = append(w.Tables, ft)
		if st := t.tables[table.OID]; st != nil {
			sampled += st.bytes[0] + st.bytes[1]
		}
	}
	total := w.Bytes()
	objects, err := t.objects(ctx)
	if err != nil {
		return err
	}
	if objects.Bytes > 0 {
		w.Tables = append(w.Tables, objects)
	}
	if total > 0 {
		t.p.Sampled = min(1, sampled/total)
	}
	t.p.Rate = over(total, w.CopySeconds())
	t.p.Spread = math.Hypot(forecast.Spread(t.slices), forecast.Stretch(t.p.Sampled))
	if w.Foreign, err = t.foreignSeconds(ctx, rows, foreignSpan); err != nil {
		return err
	}
	steps := t.schema(ctx, r)
	w.Prepare += beginSeconds
	w.Constraints = float64(steps.constraints) * steps.add
	w.Apply = r.Target.Apply()
	if r.Source != nil {
		w.Changes = r.Source.Changes.Rows / 3600
	}
	facts := &t.p.facts
	facts.objects, facts.finish = objects.Bytes, steps.finish
	facts.groups, facts.questions = t.groups()
	facts.late = late.Seed().Total + float64(len(late.Tables))*facts.step
	return nil
}

// groups is into how many groups a verification cuts the tables, and how many questions it has about many
// small ones.
func (t *trial) groups() (groups, questions int) {
	list := make([]*chunker.Table, len(t.c.tables))
	for i := range t.c.tables {
		list[i] = &t.c.tables[i]
	}
	return len(verify.Groups(list)), verify.Questions(list)
}

// sumBytes is a bucket of a fingerprint on the wire, totalBytes the sum of a small table.
const (
	sumBytes   = 40
	totalBytes = 100
)

// sumsOf is what comes back over a link of a table with so many rows.
func sumsOf(table *chunker.Table, rows float64) float64 {
	if kindOf(table) == Small {
		return totalBytes
	}
	return min(rows, checksum.BucketCount) * sumBytes
}

// foreignSpan bounds the joins.
const foreignSpan = 10 * time.Second

// table reckons one table, and how many rows it has.
func (t *trial) table(r *Report, table *chunker.Table) (forecast.Table, float64) {
	k := kindOf(table)
	st := t.tables[table.OID]
	bytes, rows, ok := 0.0, 0.0, false
	if st != nil {
		bytes, rows, ok = st.whole()
	}
	if !ok {
		// Of a table that is in no sample: as others, by its size on disk.
		bytes = float64(table.Bytes) * ratioOf(t)
		rows = max(0, float64(table.Rows))
	}
	rate := t.rates[k]
	if rate == 0 {
		rate = t.best()
	}
	out := forecast.Table{Name: table.String(), Bytes: bytes, Packed: bytes * t.packing(r, table), Rate: rate,
		Chunks: int(max(1, (table.Bytes+chunker.DefaultBytes/2)/chunker.DefaultBytes))}
	out.Steps, out.Unique, out.After = t.indexSeconds(table, st, rows)
	return out, rows
}

// ratioOf is how many bytes COPY gives for a byte on disk.
func ratioOf(t *trial) float64 {
	var disk, rows float64
	for _, st := range t.tables {
		if b, _, ok := st.whole(); ok {
			rows += b
			disk += float64(st.Bytes)
		}
	}
	if disk <= 0 {
		return 1
	}
	return rows / disk
}

// stepCount is how many schema steps there are.
type stepCount struct {
	pre, constraints, finish int
	each                     float64 // seconds of one that makes a table and goes in a group
	add                      float64 // of one that adds a constraint
}

// schema reads the schema as seed does, and times that. Without pg_dump it is reckoned.
func (t *trial) schema(ctx context.Context, r *Report) stepCount {
	began := time.Now()
	work, err := t.plan(ctx)
	if err != nil {
		r.note("the schema was not read, so its part of the time is reckoned: " + err.Error())
		n := len(t.c.tables)
		t.p.Work.Prepare = 2 + float64(n)*t.built.empty
		return stepCount{pre: n, constraints: n, add: t.built.step}
	}
	steps := stepCount{pre: len(work.Pre), constraints: len(work.Constraints) + len(work.Foreign), finish: len(work.Finish)}
	// Steps before rows go in groups; what one costs there the scratch tables have told.
	tables := 0
	for range t.tables {
		tables += twice
	}
	steps.each = t.p.Prepared / float64(max(1, tables))
	if steps.add = steps.each; t.built.gathered > 0 {
		steps.add = min(steps.each, t.built.gathered) // no files are made for it
	}
	t.p.facts.schema = time.Since(began).Seconds()
	t.p.Work.Prepare = t.p.facts.schema + steps.each*float64(steps.pre)
	return steps
}

func (t *trial) plan(ctx context.Context) (*schema.Work, error) {
	dir, remove, err := tempDir()
	if err != nil {
		return nil, err
	}
	work, err := t.planIn(ctx, filepath.Join(dir, "schema.dump"))
	return work, errors.Join(err, remove())
}

func (t *trial) planIn(ctx context.Context, archive string) (*schema.Work, error) {
	tools, err := schema.Dump(ctx, schema.DumpConfig{DSN: t.o.Source, File: archive, Selection: t.o.Select})
	if err != nil {
		return nil, err
	}
	entries, err := schema.Entries(ctx, tools.Restore, archive)
	if err != nil {
		return nil, err
	}
	facts, err := schema.ReadFacts(ctx, t.c.conn, t.o.Select)
	if err != nil {
		return nil, err
	}
	return schema.Plan(entries, t.c.tables, facts)
}
