package replicator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// gated is a database with a table that is followed, one whose changes are not noted by key, and one that
// is copied at the fence.
const gated = calm + `; CREATE TABLE h.log (who int, what text); ALTER TABLE h.log REPLICA IDENTITY FULL; INSERT INTO h.log SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 50) i;
	CREATE TABLE h.bag (v text); INSERT INTO h.bag SELECT 'CANARY-7f3a9' || i FROM generate_series(1, 5000) i;
	GRANT USAGE ON SCHEMA h TO ward; GRANT INSERT ON h.log TO ward`

// gate finds a gate of a report, in which all must stand.
func gate(t *testing.T, r *catchup.Report, name string) catchup.Gate {
	t.Helper()
	all := []string{"lag", "changed tables", "last verification", "open transactions", "late tables", "slot", "disk of the change log", "disk of the target", "manifest"}
	var names []string
	for _, g := range r.Gates {
		names = append(names, g.Name)
		if g.Closed == (g.Hint == "") {
			t.Errorf("gate %s: closed %v, hint %q", g.Name, g.Closed, g.Hint)
		}
	}
	if !slices.Equal(names, all) {
		t.Fatalf("gates %v, want %v", names, all)
	}
	return r.Gates[slices.Index(names, name)]
}

// rehearse looks at one gate, and that the exit code goes by all of them.
func (p *pair) rehearse(name string, g catchup.Gates) catchup.Gate {
	p.t.Helper()
	r, err := p.catchup(replicator.CatchupOptions{Rehearse: true, Gates: g})
	closed := slices.ContainsFunc(r.Gates, func(g catchup.Gate) bool { return g.Closed })
	if closed != (fault.CodeOf(err) == fault.Preflight) || closed == (r.Outcome == catchup.Rehearsed) {
		p.t.Errorf("a gate is closed: %v, outcome %s, %v", closed, r.Outcome, err)
	}
	return gate(p.t, r, name)
}

// mustClose wants a gate closed, in a rehearsal and in earnest, nobody fenced, and the words in what was found.
func (p *pair) mustClose(name string, g catchup.Gates, words ...string) {
	p.t.Helper()
	if found := p.rehearse(name, g); !found.Closed {
		p.t.Errorf("%s: a rehearsal found it open: %+v", name, found)
	}
	r, err := p.catchup(replicator.CatchupOptions{Gates: g})
	found := gate(p.t, r, name)
	if fault.CodeOf(err) != fault.Preflight || !found.Closed || len(r.Steps) != 1 || !r.Steps[0].Failed || !r.FenceLSN.IsZero() {
		p.t.Errorf("%s: %v, gate %+v, steps %+v", name, err, found, r.Steps)
	}
	if err != nil && (!strings.Contains(err.Error(), name) || !strings.Contains(fault.HintOf(err), found.Hint)) {
		p.t.Errorf("%s: error %v, hint %s", name, err, fault.HintOf(err))
	}
	for _, w := range words {
		if !strings.Contains(found.Found, w) {
			p.t.Errorf("%s: found %q, without %q", name, found.Found, w)
		}
	}
	p.mustBeWritable()
}

func (p *pair) mustBeOpen(name string, g catchup.Gates) {
	p.t.Helper()
	if found := p.rehearse(name, g); found.Closed {
		p.t.Errorf("%s is closed: %+v", name, found)
	}
}

// TestGates closes every gate and opens it again.
func TestGates(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, gated)
	p.o.NoKey = "late"
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)

	var within = catchup.Gates{VerifiedWithin: time.Hour}
	p.mustBeOpen("last verification", catchup.Gates{})
	p.mustClose("last verification", within, "h.bed (never verified)", "h.log (never verified)")
	if r, err := p.verify(verify.Options{Sample: 50}); err != nil {
		t.Fatalf("verify a sample: %v, %+v", err, r)
	}
	p.mustClose("last verification", within, "2 of 2 tables")
	if r, err := p.verify(verify.Options{}); err != nil || r.Seconds <= 0 {
		t.Fatalf("verify: %v, %+v", err, r)
	}
	p.mustBeOpen("last verification", within)
	p.mustClose("last verification", catchup.Gates{VerifiedWithin: time.Nanosecond}, "oldest proof")
	p.exec(p.source, "TRUNCATE h.bed")
	for p.rehearse("last verification", within).Measured >= 0 { // until the stream has told of it
		time.Sleep(20 * time.Millisecond)
	}
	p.mustClose("last verification", within, "1 of 2 tables", "h.bed (it was truncated")

	ward := p.connect(p.source)
	defer ward.Close()
	old := catchup.Gates{MaxTransactionAge: time.Nanosecond}
	p.mustBeOpen("open transactions", old)
	for _, tt := range []struct{ begin, end, word string }{
		{"BEGIN; INSERT INTO h.log VALUES (1, '" + canary + " open')", "ROLLBACK", `"test"`},
		{"BEGIN; INSERT INTO h.log VALUES (1, '" + canary + " open'); PREPARE TRANSACTION 'ward 7'", "ROLLBACK PREPARED 'ward 7'", `prepared transaction "ward 7"`},
	} {
		if err := ward.Exec(t.Context(), tt.begin); err != nil {
			t.Fatal(err)
		}
		for !p.rehearse("open transactions", old).Closed { // its age is told in tenths of a second
			time.Sleep(20 * time.Millisecond)
		}
		p.mustClose("open transactions", old, tt.word)
		p.mustBeOpen("open transactions", catchup.Gates{})
		p.mustBeOpen("open transactions", catchup.Gates{MaxTransactionAge: -1})
		if err := ward.Exec(t.Context(), tt.end); err != nil {
			t.Fatal(err)
		}
		p.mustBeOpen("open transactions", old)
	}

	p.mustBeOpen("late tables", catchup.Gates{MaxLate: 1 << 30})
	p.mustClose("late tables", catchup.Gates{MaxLate: 1}, "1 with ")

	held := p.connect(p.target)
	defer held.Close()
	if err := held.Exec(t.Context(), "BEGIN; LOCK TABLE h.log IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	p.exec(p.source, "INSERT INTO h.log SELECT 1, repeat('"+canary+"', 20) FROM generate_series(1, 5000)")
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool { return s.Apply.LagBytes > 1<<20 }) {
		t.Fatalf("no lag:\n%s", e.out)
	}
	p.mustClose("lag", catchup.Gates{MaxLag: 1 << 20}, "of WAL")
	if err := held.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool { return s.Apply.LagBytes < 1<<20 }) {
		t.Fatalf("the lag stays:\n%s", e.out)
	}
	p.mustBeOpen("lag", catchup.Gates{MaxLag: 1 << 20})

	p.mustBeOpen("slot", catchup.Gates{})
	e.terminate()
	tight := p.o
	tight.RetainBudget = 1
	e = startEngine(t, orders{Options: tight})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "INSERT INTO h.log VALUES (1, '"+canary+" retained')")
	p.mustClose("slot", catchup.Gates{}, "reserved")
	// Several at once: all are told.
	if r, err := p.catchup(replicator.CatchupOptions{Gates: catchup.Gates{MaxLate: 1}}); !strings.Contains(err.Error(), "2 are closed") ||
		!gate(t, r, "slot").Closed || !gate(t, r, "late tables").Closed {
		t.Errorf("two gates: %v", err)
	}
	e.terminate()

	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	if r, err := p.verify(verify.Options{}); err != nil {
		t.Fatalf("verify: %v, %+v", err, r)
	}
	r, err := p.catchup(replicator.CatchupOptions{Gates: catchup.Gates{VerifiedWithin: time.Hour, MaxLate: 1 << 30, MaxTransactionAge: time.Minute}})
	if err != nil || r.Outcome != catchup.Opened {
		t.Fatalf("all gates are open: %v", err)
	}
	if g := gate(t, r, "disk of the target"); g.Measured <= 0 {
		t.Errorf("the disk of a target on this machine is not known: %+v", g)
	}
	p.compare()
}
