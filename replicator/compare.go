package replicator

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/catchup"
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
	for _, group := range verify.Groups(tables) {
		err := f.persist(ctx, "compare both sides", func() error { return v.compareGroup(ctx, group, all) })
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

// lookedUp is how many keys are looked up at once.
const lookedUp = 5000

// Changed compares the rows of a table that changed since it was proved equal, up to the fence. A proof
// counts only where others are kept from writing on the target, and nobody was seen to write since.
func (f *finisher) Changed(ctx context.Context, t *chunker.Table, fence wal.LSN) (c catchup.Compared, proved bool, err error) {
	f.asPlanned(t)
	if t.Ordinal >= len(f.planned()) || t.Late() || !f.guarded {
		return c, false, nil
	}
	keys, since, err := f.touch.touched(ctx, t.Ordinal, fence)
	if err != nil || since.IsZero() || f.wroteSince(since) || fewer(t, len(keys)) {
		return c, false, err
	}
	err = f.persist(ctx, "compare changed rows of "+t.String(), func() error {
		c.Source, c.Target, err = f.lookup(ctx, t, keys)
		return err
	})
	return c, true, err
}

// fewer reports whether it takes less to read all rows of a table than to look so many of them up, each
// on its own: that costs as much as reading 15 to 30 (make bench-verify, with a million), more where they are not in memory. Of few nobody
// notices.
func fewer(t *chunker.Table, keys int) bool {
	return keys > lookedUp*10 && t.Rows > 0 && int64(keys)*lookupRows > t.Rows
}

const lookupRows = 24

// lookup is the fingerprints of rows with certain keys on both sides.
func (f *finisher) lookup(ctx context.Context, t *chunker.Table, keys [][]byte) (src, tgt checksum.Set, err error) {
	secret := f.touch.secret
	var mu sync.Mutex
	add := func(to *checksum.Set, f *checksum.Fingerprint) {
		mu.Lock()
		defer mu.Unlock()
		to.Merge(f.Total())
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * f.o.Jobs)
	for batch := range slices.Chunk(keys, lookedUp) {
		g.Go(func() error {
			conn, err := f.lookups.take(gctx, "compare")
			if err != nil {
				return err
			}
			defer conn.giveBack()
			scan := chunker.Scan{Table: t, Secret: secret}
			sum, err := scan.Lookup(gctx, conn.Conn, batch)
			if err == nil {
				add(&src, sum)
			}
			return err
		})
		g.Go(func() error {
			sum, err := f.end.Lookup(gctx, t, secret, batch)
			if err == nil {
				add(&tgt, sum)
			}
			return err
		})
	}
	return src, tgt, g.Wait()
}
