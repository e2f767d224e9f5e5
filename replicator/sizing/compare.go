package sizing

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/target"
	"replicator/replicator/verify"
)

// compareMost is how many tables are compared at once: as many small ones as tell what one of them takes, and
// no more than a verification has in a group.
const compareMost = 120

// compare compares samples as a verification does: under one snapshot of each side, small tables many at
// once, a large one with all sessions. First those that hold the bytes, then small ones, of which there
// may be thousands: what they take is mostly not their rows.
func (t *trial) compare(ctx context.Context, r *Report, span time.Duration) error {
	before := machineNow()
	defer func() { t.p.facts.crowd = crowded(before, machineNow()) }()
	large, err := t.compareAll(ctx, t.largest(span))
	if err != nil {
		return err
	}
	t.p.Compare = t.compareRate(large)
	small, err := t.compareAll(ctx, t.small())
	if err != nil {
		return err
	}
	t.p.EachTable = t.eachTable(r, small)
	t.p.Group = max(large.opened, small.opened)
	if large.seconds > 0 { // what has come back took no longer
		t.p.facts.down = t.overLink(large.sums / large.seconds)
	}
	t.p.facts.down = max(t.p.facts.down, downRate(r))
	return nil
}

// largest are tables of all kinds but the small one, by turns those with most rows in them, as many as
// are read within span at the speed of the copy.
func (t *trial) largest(span time.Duration) (list []*scratchTable) {
	most := t.fastest() * span.Seconds()
	for _, st := range t.inTurn(1) {
		if kindOf(st.Table) == Small {
			continue
		}
		if most -= t.read(st); len(list) > 0 && (most < 0 || len(list) == compareMost) {
			break
		}
		list = append(list, st)
	}
	return list
}

// fastest is the rate of the kind that was copied fastest: comparing is seldom slower.
func (t *trial) fastest() (rate float64) {
	for _, r := range t.rates {
		rate = max(rate, r)
	}
	return rate
}

// read is how many bytes of a scratch table are read to compare it.
func (t *trial) read(st *scratchTable) float64 {
	if !st.complete() && st.Bytes >= verify.Alone {
		return st.bytes[0] * float64(t.o.Jobs)
	}
	return st.bytes[0]
}

// complete reports whether all rows of the table were moved.
func (t *scratchTable) complete() bool { return t.chunks[0] > 0.99 }

// eachTable is what comparing a small table takes, without the question that is one for many. Rows that
// were not moved are added, as fast as others are read.
func (t *trial) eachTable(r *Report, c compared) float64 {
	if len(c.took) == 0 {
		return 0
	}
	var had, missing float64
	for st := range c.took {
		whole, _, _ := st.whole()
		had += st.bytes[0]
		missing += max(0, whole-st.bytes[0])
	}
	rate := t.p.Compare
	if rate == 0 {
		rate = over(had, c.seconds)
	}
	if r.Network != nil {
		c.seconds -= min(c.seconds/2, r.Network.RoundTrip.P50)
	}
	return (c.seconds + over(missing, rate)) / float64(len(c.took))
}

// small are small tables of which something was moved, or that are empty, evenly over their sizes.
func (t *trial) small() (list []*scratchTable) {
	for _, st := range t.byBytes() {
		if kindOf(st.Table) == Small && st.chunks[0] > 0 {
			list = append(list, st)
		}
	}
	return evenly(list, compareMost)
}

// downRate is what the wire carries from the target's site; 0 where there is none.
func downRate(r *Report) float64 {
	if r.Network == nil {
		return 0
	}
	_, rate := fills(r.Network.Down)
	return rate
}

// compareRate is that of all rows but those of small tables: a kind takes its part of the time, and kinds
// that were not compared do as the others.
func (t *trial) compareRate(c compared) float64 {
	var all float64
	part, sample := map[Kind]float64{}, map[Kind]float64{}
	for st, seconds := range c.took {
		part[kindOf(st.Table)] += seconds
		sample[kindOf(st.Table)] += t.read(st)
		all += seconds
	}
	var bytes, seconds float64
	for k := range part {
		n := float64(bytesOf(t.c.kinds[k]))
		bytes += n
		seconds += n * over(part[k]/all*c.seconds, sample[k])
	}
	return over(bytes, seconds)
}

// compared is what comparing a group of tables took.
type compared struct {
	opened  float64 // seconds until both sides stood at one snapshot
	seconds float64 // for all tables
	sums    float64 // bytes of fingerprints
	took    map[*scratchTable]float64
}

// compareAll compares tables as one group. A table that cannot be read just now ends it without an error:
// then its cost is reckoned.
func (t *trial) compareAll(ctx context.Context, tables []*scratchTable) (c compared, err error) {
	if len(tables) == 0 {
		return c, nil
	}
	g := &group{t: t, of: map[*chunker.Table]*scratchTable{}, took: map[*scratchTable]float64{}}
	defer g.close(ctx)
	list := make([]*chunker.Table, len(tables))
	for i, st := range tables {
		list[i], g.of[st.Table] = st.Table, st
		c.sums += sumsOf(st.Table, st.rows[0])
	}
	began := time.Now()
	if err = g.open(ctx, list); err == nil {
		c.opened = time.Since(began).Seconds()
		began = time.Now()
		err = verify.Together(ctx, t.o.Jobs, list, g.one, g.many)
	}
	if skip(err) {
		return compared{}, nil
	}
	c.seconds, c.took = time.Since(began).Seconds(), g.took
	return c, err
}

// group is tables under a snapshot of each side.
type group struct {
	t      *trial
	of     map[*chunker.Table]*scratchTable
	keeper *pg.Conn
	export string
	view   target.View

	mu   sync.Mutex
	took map[*scratchTable]float64
}

func (g *group) open(ctx context.Context, list []*chunker.Table) (err error) {
	if g.keeper, err = g.t.c.db.Connect(ctx, "bench compare"); err != nil {
		return err
	}
	if g.export, _, err = chunker.Export(ctx, g.keeper, list, source.LockTimeout); err != nil {
		return err
	}
	there := make([]*chunker.Table, len(list))
	for i, t := range list {
		there[i] = &g.of[t].as[0]
	}
	g.view, err = g.t.s.View(ctx, there)
	return err
}

// one compares a table. Both sides hash, and nobody looks whether they are equal.
//
// A sample of a table may be too small to be shared out: each session reads all of it.
func (g *group) one(ctx context.Context, t *chunker.Table, sessions int) (err error) {
	began := time.Now()
	st := g.of[t]
	if !st.complete() {
		err = g.sampled(ctx, st, sessions)
	} else {
		src := g.scan(sessions)
		src.Table, src.Text = t, t.Text
		_, _, err = verify.Fingerprints(ctx, src, g.view.Side(&st.as[0], t.Text, sessions, checksum.Secret{}), nil)
	}
	g.note(st, began)
	return err
}

func (g *group) note(st *scratchTable, began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.took[st] = time.Since(began).Seconds()
}

func (g *group) scan(sessions int) *chunker.Scan {
	return &chunker.Scan{Jobs: sessions, Snapshot: g.export, LockTimeout: source.LockTimeout,
		Connect: g.t.m.session, Release: func(c *pg.Conn) { g.t.m.sessions <- c }}
}

// many compares small tables. Of one that is not there whole, as much as there is.
func (g *group) many(ctx context.Context, tables []*chunker.Table) error {
	var whole, there []*chunker.Table
	for _, t := range tables {
		if st := g.of[t]; st.complete() {
			whole, there = append(whole, t), append(there, &st.as[0])
		} else if err := g.one(ctx, t, 1); err != nil {
			return err
		}
	}
	if len(whole) == 0 {
		return nil
	}
	began := time.Now()
	here := func(ctx context.Context, tables []*chunker.Table, sessions int, of checksum.Selection) ([]checksum.Set, error) {
		return g.scan(sessions).Totals(ctx, tables, of)
	}
	_, _, err := verify.Sets(ctx, here, func(ctx context.Context, _ []*chunker.Table, sessions int, of checksum.Selection) ([]checksum.Set, error) {
		return g.view.Totals(ctx, target.Totals{Tables: there, Jobs: sessions, Of: of})
	}, whole, g.t.o.Jobs, nil)
	for _, t := range whole {
		g.note(g.of[t], began)
	}
	return err
}

// sampled compares as much of a table as there is of it.
func (g *group) sampled(ctx context.Context, st *scratchTable, sessions int) error {
	sample, err := sampleOf(ctx, g.t.c.conn, []*chunker.Table{st.Table}, hashBytes)
	if err != nil {
		return fault.New(fault.Source, err, "")
	}
	sample.round = true
	e, ctx := errgroup.WithContext(ctx)
	for range sessions {
		e.Go(func() error {
			_, err := g.view.Side(&st.as[0], st.Text, 1, checksum.Secret{}).Fingerprint(ctx, nil)
			return err
		})
		e.Go(func() error { return g.t.hash(ctx, sample, st.bytes[0]) })
	}
	return e.Wait()
}

// hash reads and hashes chunks of a sample until it has had so many bytes.
func (t *trial) hash(ctx context.Context, sample *pieces, most float64) error {
	conn, err := t.m.session(ctx)
	if err != nil {
		return err
	}
	defer func() { t.m.sessions <- conn }()
	hasher, bytes := checksum.NewRowHasher(checksum.Secret{}), 0.0
	for bytes < most {
		p, ok := sample.next()
		if !ok {
			return nil
		}
		rows := checksum.NewRowSplitter(p.table.Text, func(image []byte) {
			hasher.Keyless(image)
			bytes += float64(len(image))
		})
		before := bytes
		if _, err := chunker.Read(ctx, conn, p.table, p.chunk, "", source.LockTimeout, rows); err != nil {
			return err
		}
		if bytes == before {
			return nil // the table has been emptied meanwhile
		}
	}
	return nil
}

// hashBytes is the size of a chunk that is only hashed: its transaction must cost little beside its rows.
const hashBytes = 16 << 20

func (g *group) close(ctx context.Context) {
	if g.view != nil {
		_ = g.view.Close(ctx)
	}
	if g.keeper != nil {
		_ = g.keeper.Close()
	}
}
