package replicator_test

import (
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// TestChangedRowsAreCompared verifies under load, lets rows change, engines die and tables be emptied,
// and catches up comparing only what changed. A row that was damaged after a change of it is found.
func TestChangedRowsAreCompared(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(2000)+`
		CREATE TABLE h.calm (id int, part text, v text, PRIMARY KEY (part, id)); INSERT INTO h.calm SELECT i, 'p' || i % 3, 'v' FROM generate_series(1, 3000) i;`)
	p.far()
	h := startHammer(t, p.source, seedOf(t), 3, 2000)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	for range 3 {
		if r, err := p.verify(verify.Options{}); err != nil || r.Outcome != verify.Equal {
			t.Fatalf("verify: %v, %+v", err, r)
		}
		p.exec(p.source, "UPDATE h.calm SET v = v || 'x' WHERE id % 100 = 7; UPDATE h.calm SET part = 'moved' WHERE id = 50")
		e.kill()
		e = startEngine(t, orders{Options: p.o})
		e.mustReach(p.o.Dir, status.Following)
	}
	h.stop()
	// Of the rows that changed one is damaged now, and one is gone.
	p.mustApply(e)
	p.exec(p.target, "SET session_replication_role = replica; UPDATE h.calm SET v = 'damaged' WHERE id = 107; DELETE FROM h.calm WHERE id = 207")
	if _, err := p.catchup(replicator.CatchupOptions{}); fault.CodeOf(err) != fault.Mismatch {
		t.Fatalf("a damaged row among those that changed: %v\n%s", err, e.out)
	}
	if r, err := p.verify(verify.Options{Repair: true}); err != nil || r.Outcome != verify.Equal {
		t.Fatalf("repair: %v, %+v", err, r)
	}
	report, err := p.catchup(replicator.CatchupOptions{})
	if err != nil || report.Outcome != catchup.Opened {
		t.Fatalf("catch-up: %v\n%s", err, e.out)
	}
	<-e.gone
	changed := 0
	for _, tab := range report.Tables {
		if tab.Changed {
			changed++
		}
		if tab.Name == "h.calm" && (!tab.Changed || tab.Rows >= 3000) {
			t.Errorf("h.calm: %d rows compared, changed only: %v", tab.Rows, tab.Changed)
		}
	}
	if changed < 5 {
		t.Errorf("of %d tables only the changed rows were compared", changed)
	}
	p.compare()
}
