package sizing

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/sizing/forecast"
	"replicator/replicator/target"
)

// indexCosts is what indexes of the sample cost.
type indexCosts struct {
	empty    float64 // seconds of a step that does nothing, the way there included
	step     float64 // of that, what it takes when others are on their way meanwhile
	gathered float64 // of an index or the statistics of a small table, many to a transaction; 0: not measured
	order    map[*scratchTable][]builtIndex
	analyze  map[*scratchTable]float64
	together float64 // seconds of building them all at once
	sum      float64 // seconds of building the same ones one after another
	list     []schema.Step
}

// builtIndex is an index that could be made.
type builtIndex struct {
	scratchIndex
	step    schema.Step
	seconds float64
}

// worthIndexing is from how many rows a sample says something of an index.
const worthIndexing = 2_000

// buildIndexes builds the indexes of the sample, one after another, then all at once, within span.
func (t *trial) buildIndexes(ctx context.Context, r *Report, span time.Duration) error {
	b := &indexCosts{order: map[*scratchTable][]builtIndex{}, analyze: map[*scratchTable]float64{}}
	t.built = b
	until := time.Now().Add(span * 2 / 3)
	var err error
	if b.empty, err = t.emptyStep(ctx); err != nil {
		return err
	}
	if r.Target != nil && r.Target.Commit.P50 > 0 { // a slow moment is none of the step's
		b.empty = min(b.empty, r.Target.Commit.P50)
	}
	if err := t.buildSmall(ctx); err != nil {
		return err
	}
	if b.step, err = t.crowdedStep(ctx); err != nil {
		return err
	}
	for _, st := range t.inTurn(worthIndexing) {
		if time.Now().After(until) {
			break
		}
		if err := t.buildTable(ctx, st, until); err != nil {
			return err
		}
	}
	if len(b.list) < 2 {
		return nil
	}
	if err := t.dropIndexes(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := t.atOnce(ctx, b.list); err != nil {
		return err
	}
	b.together = time.Since(began).Seconds()
	return nil
}

// gatheredBytes is the engine's: the steps of smaller tables go to the target together.
const gatheredBytes = 1 << 20

// buildSmall does for some small tables what the engine does, with one call. Where one of their indexes cannot
// be made here nothing is known of any.
func (t *trial) buildSmall(ctx context.Context) error {
	var steps []schema.Step
	for _, st := range t.small() {
		if !st.complete() || st.Bytes > gatheredBytes || st.rows[0] >= worthIndexing {
			continue
		}
		for i := range st.indexes {
			steps = append(steps, schema.Step{ID: t.s.id(), Kind: "BENCH", Name: "an index of " + st.String(), SQL: st.indexSQL(i)})
		}
		steps = append(steps, schema.Step{ID: t.s.id(), Kind: "BENCH", Name: "analyze " + st.String(), SQL: "ANALYZE " + st.as[0].Qualified()})
	}
	if len(steps) == 0 {
		return nil
	}
	began := time.Now()
	_, err := t.s.Steps(ctx, steps)
	if err == nil {
		t.built.gathered = time.Since(began).Seconds() / float64(len(steps))
	} else if pg.State(err) != "" && !pg.Lost(err) {
		err = nil
	}
	return err
}

// indexSQL makes one of the table's indexes.
func (t *scratchTable) indexSQL(i int) string {
	return "CREATE INDEX " + pg.Ident(indexName(t, i)) + " ON " + t.as[0].Qualified() + " USING " + t.indexes[i].sql
}

// inTurn are the tables of which at least so many rows were moved, those with most bytes first, but kinds
// in turn: what is not measured is reckoned by what is, which must not be of one kind alone.
func (t *trial) inTurn(rows float64) (list []*scratchTable) {
	by := map[Kind][]*scratchTable{}
	for _, st := range t.byBytes() {
		if st.rows[0] >= rows {
			by[kindOf(st.Table)] = append(by[kindOf(st.Table)], st)
		}
	}
	for i := 0; len(by) > 0; i++ {
		for _, k := range kinds {
			if i < len(by[k]) {
				list = append(list, by[k][i])
			} else {
				delete(by, k)
			}
		}
	}
	return list
}

// emptyStep is what a step costs on the way and in its own transaction.
func (t *trial) emptyStep(ctx context.Context) (float64, error) {
	l, err := t.s.commits(ctx, 200*time.Millisecond)
	return l.P50, err
}

// crowdedStep is what a step costs with as many others on their way as the engine has. The first round
// opens the sessions.
func (t *trial) crowdedStep(ctx context.Context) (seconds float64, err error) {
	steps := slices.Repeat([]schema.Step{{Kind: "BENCH", Name: "nothing", SQL: "SELECT 1"}}, 2*stepsPerSession*t.o.IndexJobs)
	for range 2 {
		began := time.Now()
		if err := t.atOnce(ctx, steps); err != nil {
			return 0, err
		}
		seconds = time.Since(began).Seconds() / float64(len(steps))
	}
	return min(seconds, t.built.empty), nil
}

// buildTable builds one table's indexes alone and collects its statistics. An index that cannot be
// made here, as of an operator class or a function that only the source has, is reckoned by rows.
func (t *trial) buildTable(ctx context.Context, st *scratchTable, until time.Time) error {
	b := t.built
	for i, ix := range st.indexes {
		if i > 0 && time.Now().After(until) {
			return nil
		}
		step := schema.Step{Kind: "BENCH", Name: "an index of " + st.String(), SQL: st.indexSQL(i)}
		took, err := t.s.step(ctx, &step)
		if err != nil {
			if pg.State(err) == "" || pg.Lost(err) {
				return err
			}
			t.p.Skipped++
			continue
		}
		seconds := max(0, took.Seconds()-b.empty)
		b.order[st] = append(b.order[st], builtIndex{ix, step, seconds})
		b.list = append(b.list, step)
		b.sum += took.Seconds()
		t.p.Indexes++
	}
	took, err := t.s.sql(ctx, "ANALYZE "+st.as[0].Qualified())
	b.analyze[st] = max(0, took.Seconds()-b.empty)
	return err
}

func indexName(st *scratchTable, i int) string {
	return st.as[0].Name + "_" + string(rune('a'+i%26)) + string(rune('0'+i/26))
}

func (t *trial) dropIndexes(ctx context.Context) error {
	_, err := t.s.sql(ctx, `DO $$ DECLARE i record; BEGIN
		FOR i IN SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_index x ON x.indexrelid = c.oid JOIN pg_class r ON r.oid = x.indrelid
			WHERE c.relnamespace = `+pg.Literal(target.ScratchSchema)+`::regnamespace AND r.relname ~ '^t[0-9]+_0$' LOOP
			EXECUTE 'DROP INDEX ' || i.name; END LOOP; END $$`)
	return err
}

// atOnce has the target end run steps as the engine gives them: ahead of its sessions.
func (t *trial) atOnce(ctx context.Context, steps []schema.Step) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(stepsPerSession * t.o.IndexJobs)
	for _, step := range steps {
		g.Go(func() error {
			mu.Lock()
			step.ID = t.s.id()
			mu.Unlock()
			_, err := t.s.End.Step(ctx, &step)
			return err
		})
	}
	return g.Wait()
}

// stepsPerSession is the engine's.
const stepsPerSession = 6

// beside builds the indexes once more while other rows are copied, and measures how much slower both
// are than alone. Where there is too little of either to say, they are taken to share one processor.
func (t *trial) beside(ctx context.Context, span time.Duration) error {
	path := &t.p.Work.Path
	path.IndexJobs, path.Speedup, path.CopyBeside, path.IndexBeside = t.o.IndexJobs, 1, shared, shared
	b := t.built
	if b.together > 0 {
		path.Speedup = max(1, min(float64(t.o.IndexJobs), b.sum/b.together))
	}
	kind, rate := t.mostOf()
	if len(b.list) == 0 || b.together < leastBeside || rate == 0 {
		return nil
	}
	if err := t.dropIndexes(ctx); err != nil {
		return err
	}
	limit := max(2*span, 10*time.Second)
	built := make(chan struct{})
	t.pieces[kind].round = true
	var took float64
	var got moved
	began := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(built)
		err := t.atOnce(gctx, b.list)
		took = time.Since(began).Seconds()
		return err
	})
	g.Go(func() (err error) {
		got, err = t.m.move(gctx, t.pieces[kind].next, 1, limit, func() bool {
			select {
			case <-built:
				return true
			default:
				return false
			}
		})
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	path.IndexBeside = clamp(b.together / took)
	path.CopyBeside = clamp(got.rate() / rate)
	return nil
}

const (
	shared      = 0.5 // of two that take turns
	leastBeside = 0.5 // seconds of building, to say something
)

func clamp(v float64) float64 { return min(1, max(0.05, v)) }

// mostOf is the kind with the most rows, and how fast they went alone. One that waits for the wire tells
// little: it has time for indexes.
func (t *trial) mostOf() (kind Kind, rate float64) {
	most := 0.0
	for _, wired := range []bool{false, true} {
		for _, k := range t.p.Kinds {
			if t.wired[k.Kind] == wired && k.Bytes > most {
				most, kind, rate = k.Bytes, k.Kind, k.Rate
			}
		}
		if most > leastMoved {
			break
		}
	}
	return kind, rate
}

// leastMoved is from how many bytes a kind tells how the copy goes.
const leastMoved = 4 << 20

// indexSeconds reckons what the indexes of the whole table take: a sort is n log n. Those that were not
// built cost what others do by row.
func (t *trial) indexSeconds(st *chunker.Table, have *scratchTable, rows float64) (early, unique []float64, after float64) {
	b := t.built
	scale := 1.0
	var known []builtIndex
	if have != nil {
		known = b.order[have]
		if n := have.rows[0]; n > 0 {
			scale = rows * math.Log2(rows+2) / (n * math.Log2(n+2))
		}
	}
	indexes := 1
	if have != nil {
		indexes = len(have.indexes)
	}
	if st.Bytes <= gatheredBytes && b.gathered > 0 && len(known) == 0 {
		return []float64{b.gathered * float64(indexes)}, nil, b.gathered
	}
	for i := range indexes {
		ix := scratchIndex{key: i == 0, sql: "btree"}
		if have != nil {
			ix = have.indexes[i]
		}
		seconds := t.rowSeconds(ix.method()) * rows * math.Log2(rows+2)
		if have != nil {
			if j := slices.IndexFunc(known, func(k builtIndex) bool { return k.name == ix.name }); j >= 0 {
				seconds = known[j].seconds * scale
			}
		}
		if seconds += b.step; ix.unique && !ix.key && t.ranged(st) {
			unique = append(unique, seconds)
		} else {
			early = append(early, seconds)
		}
	}
	return early, unique, t.analyzeSeconds(st, have, rows)
}

// rowSeconds is the median of what was built by an access method, by row and the logarithm of rows: a
// few that are dear, as of documents, say nothing of the others.
func (t *trial) rowSeconds(method string) float64 {
	var same, all []float64
	for st, list := range t.built.order {
		n := st.rows[0]
		for _, ix := range list {
			each := ix.seconds / (n * math.Log2(n+2))
			if all = append(all, each); ix.method() == method {
				same = append(same, each)
			}
		}
	}
	switch {
	case len(same) > 0:
		return forecast.Quantile(same, 0.5)
	case len(all) > 0:
		return forecast.Quantile(all, 0.5)
	}
	return 1.0 / 20e6 // a million rows in a second: nothing was large enough to measure
}

// analyzeRows is what ANALYZE looks at, whatever the table's size.
const analyzeRows = 30_000

func (t *trial) analyzeSeconds(table *chunker.Table, have *scratchTable, rows float64) float64 {
	b := t.built
	if have != nil && b.analyze[have] > 0 && have.rows[0] > 0 {
		return b.step + b.analyze[have]*min(rows, analyzeRows)/min(have.rows[0], analyzeRows)
	}
	var each []float64
	for st, s := range b.analyze {
		each = append(each, s/(min(st.rows[0], analyzeRows)*float64(len(st.Columns)+1)))
	}
	return b.step + forecast.Quantile(each, 0.5)*min(rows, analyzeRows)*float64(len(table.Columns)+1)
}

// ranged reports whether a table will be cut by its key, so that its unique indexes wait.
func (t *trial) ranged(table *chunker.Table) bool {
	return table.Identity == chunker.IdentityKey && table.Bytes >= chunker.DefaultBytes*3/2
}
