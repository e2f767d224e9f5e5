package replicator_test

import (
	"context"
	"sync/atomic"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// TestStoppedAfterRecopy ends the engine between the second copy of a chunk, whose snapshot is younger
// than the marker, and the new marker: what lies between the old marker and that snapshot must not
// be applied on top of the chunk.
func TestStoppedAfterRecopy(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE note (id int PRIMARY KEY, ver int, big text); ALTER TABLE note ALTER big SET STORAGE EXTERNAL;
		INSERT INTO note SELECT 10 * i, 0, repeat('b', CASE WHEN i % 50 = 0 THEN 9000 ELSE 300 END) FROM generate_series(1, 2000) i; ANALYZE note`)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	move := once("engine: chunk read", 2, func() {
		p.exec(p.source, "UPDATE note SET ver = 1 WHERE id < 100")
		p.exec(p.source, "UPDATE note SET id = 15 WHERE id = 20000")
	})
	var marked, recopied atomic.Bool
	later := once("apply: before commit", 1, func() { p.exec(p.source, "INSERT INTO note VALUES (16, 0, 'new')") })
	o := p.o
	o.Jobs, o.Until = 1, "consistent"
	o.Hook = func(point string) {
		move(point)
		later(point)
		switch {
		case point == "engine: before marker":
			marked.Store(true)
		case point == "target: chunk after commit" && marked.Load():
			recopied.Store(true)
			stop()
		}
	}
	if err := replicator.Seed(ctx, o); fault.CodeOf(err) != fault.Interrupted || !recopied.Load() {
		t.Fatalf("the engine was to be stopped after the second copy of a chunk (%v): %v", recopied.Load(), err)
	}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	if report := p.mustCatchup(); len(report.MissedRows) > 0 {
		t.Errorf("changes that found no row: %v", report.MissedRows)
	}
	p.compare()
}

// TestTargetSetBack takes a receipt away from a target that was consistent, as restoring a backup
// does: following on from there would miss the chunk's rows.
func TestTargetSetBack(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 100)")
	p.seedHere(func(string) {})
	p.exec(p.target, "DELETE FROM replicator.receipt; DELETE FROM a")
	o := p.o
	o.Until = "consistent"
	if err := replicator.Seed(context.Background(), o); fault.CodeOf(err) != fault.PositionLost {
		t.Errorf("seed on a target that was set back: %v, want code %d", err, fault.PositionLost)
	}
}
