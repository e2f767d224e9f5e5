package sizing

import (
	"context"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/target"
	"replicator/replicator/verify"
)

// comparedSmall is how many small tables are compared: as many as a verification has in a group at most.
const comparedSmall = 48

// compareSmall compares small tables as a verification does, under one snapshot of each side and side by
// side: what one costs beyond its rows, and what a group does. Thousands of small tables take long by
// that alone.
func (t *trial) compareSmall(ctx context.Context, r *Report) error {
	var list []*chunker.Table
	of := map[*chunker.Table]*scratchTable{}
	bytes, sums := 0.0, 0.0
	for _, st := range t.byBytes() {
		if kindOf(st.Table) == Small && st.chunks[0] > 0 && len(list) < comparedSmall {
			list = append(list, st.Table)
			of[st.Table] = st
			bytes += st.bytes[0]
			sums += min(st.rows[0], checksum.BucketCount) * sumBytes
		}
	}
	t.p.facts.down = downRate(r)
	if len(list) == 0 {
		return nil
	}
	g := &group{t: t, of: of}
	defer g.close(ctx)
	began := time.Now()
	if err := g.open(ctx, list); err != nil {
		return leftOut(err)
	}
	opened := time.Now()
	if err := verify.SideBySide(ctx, t.o.Jobs, list, g.one); err != nil {
		return leftOut(err)
	}
	took := time.Since(opened).Seconds()
	t.p.facts.down = max(downRate(r), t.overLink(sums/took)) // what has come back took no longer
	// Reading and the way of the fingerprints are reckoned for all tables together.
	took -= max(over(bytes, t.p.Compare), over(sums, t.p.facts.down))
	t.p.Group = opened.Sub(began).Seconds()
	t.p.EachTable = max(leastTable, took/float64(len(list)))
	return nil
}

// downRate is what the wire carries from the target's site; 0 where there is none.
func downRate(r *Report) float64 {
	if r.Network == nil {
		return 0
	}
	_, rate := fills(r.Network.Down)
	return rate
}

// leastTable is what no table is compared faster than, in seconds.
const leastTable = 0.001

// leftOut is no error where a table cannot be read just now: then the cost is reckoned.
func leftOut(err error) error {
	if skip(err) {
		return nil
	}
	return err
}

// group is tables under a snapshot of each side.
type group struct {
	t      *trial
	of     map[*chunker.Table]*scratchTable
	keeper *pg.Conn
	export string
	view   target.View
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
func (g *group) one(ctx context.Context, t *chunker.Table, sessions int) error {
	src := &chunker.Scan{Table: t, Text: t.Text, Jobs: sessions, Snapshot: g.export, LockTimeout: source.LockTimeout,
		Connect: g.t.m.session, Release: func(c *pg.Conn) { g.t.m.sessions <- c }}
	_, _, err := verify.Fingerprints(ctx, src, g.view.Side(&g.of[t].as[0], t.Text, sessions, checksum.Secret{}), nil)
	return err
}

func (g *group) close(ctx context.Context) {
	if g.view != nil {
		_ = g.view.Close(ctx)
	}
	if g.keeper != nil {
		_ = g.keeper.Close()
	}
}
