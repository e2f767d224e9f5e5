package replicator

import (
	"context"
	"strings"

	"replicator/chunker"
	"replicator/replicator/catchup"
	"replicator/replicator/check"
	"replicator/replicator/pg"
	"replicator/replicator/verify"
	"replicator/wal/slot"
)

// Look implements catchup.Job. It asks the catalogs of both sides and changes nothing.
func (f *finisher) Look(ctx context.Context, tables []chunker.Table) (g catchup.Findings, err error) {
	err = f.onSource(ctx, "gates", func(c *pg.Conn) error {
		var err error
		if g.Slot, err = slot.Inspect(ctx, c, f.rec.Slot); err != nil {
			return err
		}
		if g.Transactions, g.Hidden, err = f.openTransactions(ctx, c); err != nil {
			return err
		}
		g.Late, err = f.lateNow(ctx, c, tables)
		return err
	})
	if err != nil {
		return g, err
	}
	s := f.tracker.Status()
	g.Lag, g.LagSeconds = s.Apply.LagBytes, s.Apply.LagSeconds
	g.RetainBudget, g.LogFull = f.o.RetainBudget, f.changes.Full()
	g.LateSeconds = f.predictLate(g.Late).Seconds
	if g.Proofs, err = f.proofs(tables); err != nil {
		return g, err
	}
	if g.Free, err = check.FreeBytes(f.o.Dir); err != nil {
		g.Free = -1
	}
	facts, err := f.end.Facts(ctx)
	g.TargetFree = facts.Free
	return g, err
}

// openTransactions are those of others on the source database that have written. hidden says that our
// role would not see them.
func (f *finisher) openTransactions(ctx context.Context, c *pg.Conn) (open []slot.Blocker, hidden bool, err error) {
	all, err := slot.Blockers(ctx, c, 0)
	if err != nil {
		return nil, false, err
	}
	for _, b := range all {
		ours := strings.HasPrefix(b.Application, f.source.Name()) || strings.HasPrefix(b.Application, "autovacuum")
		if b.Database == f.rec.Database && !ours {
			open = append(open, b)
		}
	}
	sees, err := c.Value(ctx, "SELECT pg_has_role('pg_read_all_stats', 'USAGE')")
	return open, sees == "f", err
}

// lateNow are the tables that would be copied if the fence came now.
func (f *finisher) lateNow(ctx context.Context, c *pg.Conn, tables []chunker.Table) (late []chunker.Table, err error) {
	for i := range tables {
		if tables[i].Late() {
			late = append(late, tables[i])
		}
	}
	made, err := f.newTables(ctx, c)
	return append(late, made...), err
}

// proofs are when followed tables were found equal last, and which have no proof that counts.
func (f *finisher) proofs(tables []chunker.Table) ([]catchup.Proof, error) {
	last, err := f.lastCompared()
	if err != nil {
		return nil, err
	}
	noted := f.touch.proofs()
	text := textStream(f.planned())
	var list []catchup.Proof
	for i := range tables {
		t := &tables[i]
		if t.Late() {
			continue
		}
		p := catchup.Proof{Table: t.String()}
		seen, found := last[t.String()]
		clean := noted[t.Ordinal]
		switch {
		case clean.Clean != 0:
			p.At = clean.At
		case !found:
			p.Void = "never verified"
		case !seen.Equal:
			p.Void = "it differed when it was verified last"
		case chunker.ByKey(t, text):
			p.Void = "it was truncated since, or more rows changed than are noted"
		default: // whose changes are not noted
			p.At = seen.At
		}
		if p.Void == "" && f.wroteSince(p.At) {
			p.Void = "somebody else wrote on the target since"
		}
		list = append(list, p)
	}
	return list, nil
}

// lastCompared is the last full comparison of each table.
func (j *job) lastCompared() (map[string]verify.Table, error) {
	var history []verify.Report
	var last verify.Report
	_, err := j.store.Get(keyVerified, &history)
	if _, lerr := j.store.Get(keyVerify, &last); err == nil {
		err = lerr
	}
	all := map[string]verify.Table{}
	for _, r := range append(history, last) {
		if r.Options.Sample > 0 {
			continue
		}
		for _, t := range r.Tables {
			if t.At.After(all[t.Name].At) {
				all[t.Name] = t
			}
		}
	}
	return all, err
}
