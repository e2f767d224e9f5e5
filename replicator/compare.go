package replicator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/source"
	"replicator/replicator/verify"
	"replicator/wal"
)

// Compare implements catchup.Job. It is a verification of sides that stand still by themselves: groups of
// tables under one snapshot of each side, small tables side by side, on sessions that are kept.
func (f *finisher) Compare(ctx context.Context, tables []*chunker.Table) (map[*chunker.Table]catchup.Compared, error) {
	v, err := f.newVerifier()
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		f.asPlanned(t)
	}
	all := make(map[*chunker.Table]catchup.Compared, len(tables))
	whole := int64(0)
	for _, t := range tables {
		whole += t.Bytes
	}
	v.done = new(atomic.Int64)
	defer f.goes(func() string {
		return fmt.Sprintf("%s of %s compared, %d tables", sizeOf(v.done.Load()), sizeOf(whole), len(tables))
	})()
	for _, group := range verify.Groups(tables) {
		before := v.done.Load()
		err := f.persist(ctx, "compare both sides", func() error {
			v.done.Store(before)
			return v.compareGroup(ctx, group, all)
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// asPlanned brings a table that the gates have listed to what the plan has by now: until the fence a
// statement may have been carried.
func (f *finisher) asPlanned(t *chunker.Table) {
	if plan := f.planned(); t.Ordinal < len(plan) && plan[t.Ordinal].OID == t.OID {
		*t = plan[t.Ordinal]
	}
}

// compareGroup compares tables under one pair of snapshots. Nobody writes on either side.
func (v *verifier) compareGroup(ctx context.Context, group []*chunker.Table, to map[*chunker.Table]catchup.Compared) error {
	m := &meeting{}
	defer m.close(ctx)
	if err := v.meetFenced(ctx, m, group); err != nil {
		return err
	}
	v.o.Hook("engine: views opened")
	var mu sync.Mutex
	one := func(ctx context.Context, t *chunker.Table, sessions int) error {
		src, tgt, err := verify.Fingerprints(ctx, v.sourceSide(m, t, sessions), m.view.Side(t, v.text, sessions, v.secret), nil)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		to[t] = catchup.Compared{Source: src.Total(), Target: tgt.Total()}
		return nil
	}
	return verify.Together(ctx, v.o.Jobs, group, one, func(ctx context.Context, tables []*chunker.Table) error {
		src, tgt, err := verify.Sets(ctx, v.sourceTotals(m), v.targetTotals(m), tables, v.o.Jobs, nil)
		if err != nil {
			return err
		}
		for i, t := range tables {
			to[t] = catchup.Compared{Source: src[i], Target: tgt[i]}
		}
		return nil
	})
}

// meetFenced opens a snapshot of each side where both show the same: the fence stands, and the target has
// applied everything before it.
func (j *job) meetFenced(ctx context.Context, m *meeting, tables []*chunker.Table) (err error) {
	if err := j.arrange(ctx, m); err != nil {
		return err
	}
	if m.export, _, err = chunker.Export(ctx, m.keeper, tables, source.LockTimeout); err != nil {
		return err
	}
	m.view, err = j.end.View(ctx, tables)
	return err
}

// lookedUp is how many keys are looked up at once, in tablesLookedUp tables at most.
const (
	lookedUp       = 5000
	tablesLookedUp = 200
)

// Changed implements catchup.Job. A proof counts only where others are kept from writing on the target, and
// nobody was seen to write since.
func (f *finisher) Changed(ctx context.Context, tables []*chunker.Table, fence wal.LSN) (map[*chunker.Table]catchup.Compared, error) {
	c := &changed{finisher: f, found: map[*chunker.Table]catchup.Compared{}}
	var at atomic.Int64
	defer f.goes(func() string { return fmt.Sprintf("changed rows, %d of %d tables", at.Load(), len(tables)) })()
	for i, t := range tables {
		at.Store(int64(i))
		keys, proved, err := f.changedKeys(ctx, t, fence)
		if err == nil && proved {
			err = c.add(ctx, t, keys)
		}
		if err != nil {
			return nil, err
		}
	}
	return c.found, c.flush(ctx)
}

// changedKeys are the keys of rows that changed since a table was proved equal. proved is false where the
// table is to be compared in full.
func (f *finisher) changedKeys(ctx context.Context, t *chunker.Table, fence wal.LSN) (keys [][]byte, proved bool, err error) {
	f.asPlanned(t)
	if t.Ordinal >= len(f.planned()) || t.Late() || !f.guarded {
		return nil, false, nil
	}
	keys, since, err := f.touch.touched(ctx, t.Ordinal, fence)
	if err != nil || since.IsZero() || f.wroteSince(since) || fewer(t, len(keys)) {
		return nil, false, err
	}
	return keys, true, nil
}

// changed gathers the keys of several tables: of most only a few rows have changed, and what counts is how
// often the target end is asked.
type changed struct {
	*finisher
	waiting []chunker.Keyed
	keys    int // that wait: as many as all sessions look up at once, and those of one table
	found   map[*chunker.Table]catchup.Compared
}

func (c *changed) add(ctx context.Context, t *chunker.Table, keys [][]byte) error {
	c.found[t] = catchup.Compared{}
	for part := range slices.Chunk(keys, lookedUp) {
		c.waiting = append(c.waiting, chunker.Keyed{Table: t, Keys: part})
	}
	if c.keys += len(keys); c.keys < lookedUp*c.o.Jobs {
		return nil
	}
	return c.flush(ctx)
}

// flush looks up what waits.
func (c *changed) flush(ctx context.Context) error {
	if len(c.waiting) == 0 {
		return nil
	}
	what := fmt.Sprintf("compare %d changed rows, of %s first", c.keys, c.waiting[0].Table)
	err := c.persist(ctx, what, func() error {
		found, err := c.lookup(ctx, c.waiting)
		if err == nil {
			maps.Copy(c.found, found)
		}
		return err
	})
	c.waiting, c.keys = nil, 0
	return err
}

// fewer reports whether it takes less to read all rows of a table than to look so many of them up, each
// on its own: that costs as much as reading 15 to 30 (make bench-verify, with a million), more where they are not in memory. Of few nobody
// notices.
func fewer(t *chunker.Table, keys int) bool {
	return keys > lookedUp*10 && t.Rows > 0 && int64(keys)*lookupRows > t.Rows
}

const lookupRows = 24

// lookup is the sums of rows with certain keys on both sides, by table.
func (f *finisher) lookup(ctx context.Context, list []chunker.Keyed) (map[*chunker.Table]catchup.Compared, error) {
	found := map[*chunker.Table]catchup.Compared{}
	var mu sync.Mutex
	add := func(batch []chunker.Keyed, sets []checksum.Set, side func(*catchup.Compared) *checksum.Set) error {
		mu.Lock()
		defer mu.Unlock()
		if len(sets) != len(batch) {
			return fault.New(fault.Unexpected, fmt.Errorf("rows of %d of %d tables were summed up", len(sets), len(batch)), "")
		}
		for i := range batch {
			c := found[batch[i].Table]
			side(&c).Merge(sets[i])
			found[batch[i].Table] = c
		}
		return nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * f.o.Jobs)
	for _, batch := range batches(list) {
		g.Go(func() error {
			sets, err := f.lookupHere(gctx, batch)
			if err != nil {
				return err
			}
			return add(batch, sets, func(c *catchup.Compared) *checksum.Set { return &c.Source })
		})
		g.Go(func() error {
			sets, err := f.end.Lookup(gctx, f.touch.secret, batch)
			if err != nil {
				return err
			}
			return add(batch, sets, func(c *catchup.Compared) *checksum.Set { return &c.Target })
		})
	}
	return found, g.Wait()
}

func (f *finisher) lookupHere(ctx context.Context, batch []chunker.Keyed) ([]checksum.Set, error) {
	conn, err := f.lookups.take(ctx, "compare")
	if err != nil {
		return nil, err
	}
	defer conn.giveBack()
	return chunker.Lookups(ctx, conn.Conn, f.touch.secret, batch)
}

// batches cuts a list into what one session looks up and one question to the target end is about.
func batches(list []chunker.Keyed) (all [][]chunker.Keyed) {
	keys := 0
	for _, k := range list {
		last := len(all) - 1
		if last < 0 || keys+len(k.Keys) > lookedUp || len(all[last]) == tablesLookedUp {
			all, keys = append(all, nil), 0
			last++
		}
		all[last] = append(all[last], k)
		keys += len(k.Keys)
	}
	return all
}
