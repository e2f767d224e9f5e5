package catchup

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// judge is every gate, in the order in which a DBA would ask.
func (o *Options) judge(f *Findings, now time.Time) []Gate {
	return []Gate{
		o.lag(f), changedTables(f), o.verified(f, now), o.transactions(f), o.lateTables(f), o.slot(f), o.disk(f), o.targetDisk(f),
	}
}

func (o *Options) lag(f *Findings) Gate {
	g := atMost("lag", f.Lag, o.MaxLag, "wait until replicator status shows a smaller lag, or allow more by --max-lag")
	g.Found += fmt.Sprintf(" of WAL, %s", status.Seconds(f.LagSeconds))
	return g
}

func changedTables(f *Findings) Gate {
	g := Gate{Name: "changed tables", Found: "none", Allowed: "none", Unit: "tables"}
	if f.Changed != nil {
		g.Closed, g.Found, g.Hint, g.Measured = true, f.Changed.Error(), fault.HintOf(f.Changed), -1
	}
	return g
}

// verified: without a bound an old proof costs time and no safety, as the catch-up compares in full what
// is not proved.
func (o *Options) verified(f *Findings, now time.Time) Gate {
	g := Gate{Name: "last verification", Allowed: "any: what is not proved is compared in full", Limit: -1, Unit: "seconds",
		Hint: "run replicator verify, or allow more by --verified-within"}
	var oldest time.Time
	for _, p := range f.Proofs {
		switch {
		case p.Void != "":
			g.Names = append(g.Names, p.Table+" ("+p.Void+")")
		case oldest.IsZero() || p.At.Before(oldest):
			oldest = p.At
		}
	}
	var parts []string
	if n := len(g.Names); n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d tables without a proof: %s", n, len(f.Proofs), few(g.Names)))
		g.Measured = -1
	}
	if !oldest.IsZero() {
		age := now.Sub(oldest)
		parts = append(parts, fmt.Sprintf("the oldest proof is of %s, %s ago", status.Time(oldest), status.Seconds(age.Seconds())))
		if g.Measured == 0 {
			g.Measured = age.Seconds()
		}
	}
	if len(parts) == 0 {
		parts = []string{"no table that could be verified"}
	}
	g.Found = strings.Join(parts, "; ")
	if o.VerifiedWithin > 0 {
		g.Limit, g.Allowed = o.VerifiedWithin.Seconds(), "every table within "+status.Seconds(o.VerifiedWithin.Seconds())
		g.Closed = len(g.Names) > 0 || g.Measured > g.Limit
	}
	return g.hinted()
}

// transactions: the fence ends sessions, and with them what they have written; a prepared transaction it
// cannot end, and would wait for it in vain.
func (o *Options) transactions(f *Findings) Gate {
	g := Gate{Name: "open transactions", Found: "none that has written", Allowed: "of any age", Limit: -1, Unit: "seconds",
		Hint: "let them end, or end them: the fence would have the sessions' work rolled back, and cannot end a prepared transaction"}
	if o.MaxTransactionAge > 0 {
		g.Limit, g.Allowed = o.MaxTransactionAge.Seconds(), "none older than "+status.Seconds(o.MaxTransactionAge.Seconds())
	}
	for i, t := range f.Transactions {
		if i == 0 {
			g.Measured, g.Found = t.Age.Seconds(), "the oldest that has written: "+t.String()
		}
		if g.Limit >= 0 && t.Age > o.MaxTransactionAge {
			g.Names = append(g.Names, t.String())
		}
	}
	if g.Closed = len(g.Names) > 0; g.Closed {
		g.Found = few(g.Names)
	}
	if f.Hidden && !g.Closed {
		g.Found, g.Measured = "not known: our role does not see the transactions of others (grant it pg_read_all_stats)", -1
	}
	return g.hinted()
}

func (o *Options) lateTables(f *Findings) Gate {
	var bytes int64
	var names []string
	for i := range f.Late {
		bytes += f.Late[i].Bytes
		names = append(names, f.Late[i].String())
	}
	limit := o.MaxLate
	if limit == 0 {
		limit = -1
	}
	g := atMost("late tables", bytes, limit, "allow more by --max-late, or make them smaller: tables without key follow with seed --no-key full")
	g.Names = names
	g.Found = fmt.Sprintf("%d with %s, about %s to copy", len(f.Late), g.Found, status.Seconds(f.LateSeconds))
	return g
}

func (o *Options) slot(f *Findings) Gate {
	s := &f.Slot
	g := atMost("slot", s.Retained, cmp.Or(o.MaxRetained, f.RetainBudget),
		"look at replicator status: what is not confirmed is retained, and what a long transaction may need; or allow more by --max-retained")
	g.Found = fmt.Sprintf("%s, %s of WAL retained", s.WALStatus, g.Found)
	g.Allowed += " retained, and none that may be lost"
	if s.SafeSize >= 0 {
		g.Found += fmt.Sprintf(", lost after %s more", status.Size(float64(s.SafeSize)))
	}
	switch {
	case !s.Exists:
		g.Closed, g.Found, g.Hint = true, "it is gone", "seed again"
	case s.Lost():
		g.Closed, g.Found, g.Hint = true, "the server has taken its WAL away", "seed again"
	case s.WALStatus == "unreserved":
		g.Closed, g.Hint = true, "raise max_slot_wal_keep_size: at its next checkpoint the server takes the slot's WAL away"
	case f.LogFull:
		g.Closed, g.Found, g.Hint = true, g.Found+"; the change log has reached its budget", "let apply catch up, or give seed a larger --log-budget"
	}
	return g
}

// leastFree is what either disk needs whatever there is to copy: WAL of the last minutes, and two segments
// of the change log.
const leastFree = 1 << 30

func (o *Options) disk(f *Findings) Gate {
	return atLeast("disk of the change log", f.Free, cmp.Or(o.MinFree, leastFree))
}

// targetDisk: late tables are written there with their WAL.
func (o *Options) targetDisk(f *Findings) Gate {
	need := int64(leastFree)
	for i := range f.Late {
		need += 2 * f.Late[i].Bytes
	}
	return atLeast("disk of the target", f.TargetFree, cmp.Or(o.MinFree, need))
}

// atMost is a gate that closes above a limit of bytes; -1 is none.
func atMost(name string, bytes, limit int64, hint string) Gate {
	g := Gate{Name: name, Found: status.Size(float64(bytes)), Allowed: "any", Measured: float64(bytes), Limit: float64(limit), Unit: "bytes", Hint: hint}
	if limit >= 0 {
		g.Allowed, g.Closed = "at most "+status.Size(float64(limit)), bytes > limit
	}
	return g.hinted()
}

// atLeast is a gate that closes where less is free.
func atLeast(name string, free, need int64) Gate {
	g := Gate{Name: name, Found: status.Size(float64(free)) + " free", Allowed: "at least " + status.Size(float64(need)), Measured: float64(free),
		Limit: float64(need), Unit: "bytes", Closed: free >= 0 && free < need, Hint: "make room there, or ask for less by --min-free"}
	if free < 0 {
		g.Found = "not known: our rights or place do not let us see it"
	}
	return g.hinted()
}

// hinted leaves the hint to gates that are closed.
func (g Gate) hinted() Gate {
	if !g.Closed {
		g.Hint = ""
	}
	return g
}

// mostNamed is how many names stand in a sentence.
const mostNamed = 5

func few(names []string) string {
	if n := len(names) - mostNamed; n > 0 {
		return strings.Join(names[:mostNamed], ", ") + fmt.Sprintf(", and %d more", n)
	}
	return strings.Join(names, ", ")
}
