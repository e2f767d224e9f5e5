package replicator_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// treeStatements are run one after the other on the trees of partitions, each in a transaction of its own.
var treeStatements = []string{
	"ALTER TABLE p.list ADD COLUMN note text NOT NULL DEFAULT 'it''s', ADD since timestamptz DEFAULT now()",
	"UPDATE p.list SET note = 'CANARY-7f3a9' WHERE id % 3 = 0; ALTER TABLE p.list ALTER note SET DEFAULT 'new'",
	"ALTER TABLE ONLY p.list ALTER note SET DEFAULT 'of the root alone'; ALTER TABLE p.list_ed ALTER note SET DEFAULT 'of a leaf'",
	"ALTER TABLE p.deep ADD n int DEFAULT 7; UPDATE p.deep SET n = id WHERE id % 2 = 0",
	"ALTER TABLE p.deep ALTER n SET NOT NULL",
	"ALTER TABLE p.deep_26 ALTER v SET DEFAULT 'of a subtree'; ALTER TABLE p.deep_25 ALTER v SET DEFAULT 'x'",
	"ALTER TABLE p.deep ALTER n TYPE bigint",
	"ALTER TABLE p.deep RENAME COLUMN n TO \"N m\"",
	"ALTER TABLE p.deep ALTER \"N m\" DROP NOT NULL, ALTER \"N m\" DROP DEFAULT",
	"ALTER TABLE p.list DROP COLUMN note",
	"ALTER TABLE p.list ADD COLUMN note int",
	"ALTER TABLE p.hash ADD a int[] DEFAULT '{1}', ADD b varchar(10); ALTER TABLE p.hash ALTER b TYPE text; ALTER TABLE p.hash DROP a",
	// Places.
	"ALTER TABLE p.list DETACH PARTITION p.list_or",
	"UPDATE p.list_or SET v = 'alone' WHERE id % 2 = 0; INSERT INTO p.list_or (ward, id) VALUES ('or', 70001)",
	"DELETE FROM p.list_rest WHERE ward IN ('or', 'pacu'); ALTER TABLE p.list ATTACH PARTITION p.list_or FOR VALUES IN ('or', 'pacu')",
	"ALTER TABLE p.deep DETACH PARTITION p.deep_25; ALTER TABLE p.deep ATTACH PARTITION p.deep_25 FOR VALUES FROM ('2000-01-01') TO ('2026-01-01')",
	"ALTER TABLE p.deep DETACH PARTITION p.deep_26; INSERT INTO p.deep_26 VALUES ('2026-05-05', 80001, 'x'); ALTER TABLE p.deep_26 ADD COLUMN extra int DEFAULT 3; ALTER TABLE p.deep_26 DROP extra",
	"ALTER TABLE p.deep ATTACH PARTITION p.deep_26 FOR VALUES FROM ('2026-01-01') TO (MAXVALUE)",
	"ALTER TABLE p.deep " + detachedSlowly,
	// What is made while following comes at the fence, in its place.
	"CREATE TABLE p.list_xr (LIKE p.list INCLUDING ALL); DELETE FROM p.list_rest WHERE ward = 'xr'; ALTER TABLE p.list ATTACH PARTITION p.list_xr FOR VALUES IN ('xr')",
	"CREATE TABLE p.deep_20 PARTITION OF p.deep FOR VALUES FROM ('1999-01-01') TO ('2000-01-01'); INSERT INTO p.deep (at, id) VALUES ('1999-05-05', 1)",
	"ALTER TABLE p.list ADD COLUMN last int DEFAULT 4",
	// The oldest month goes.
	"DROP TABLE p.deep_25",
	"ALTER TABLE p.list DETACH PARTITION p.list_ed; INSERT INTO p.list_ed (ward, id) VALUES ('ed', 90001); DROP TABLE p.list_ed",
	"ALTER TABLE p.list DETACH PARTITION p.list_xr; DELETE FROM p.list_rest WHERE ward IN ('xr', 'mr'); ALTER TABLE p.list ATTACH PARTITION p.list_xr FOR VALUES IN ('xr', 'mr')",
}

const detachedSlowly = "DETACH PARTITION p.deep_25 CONCURRENTLY"

// TestTreesAreCarried runs statements on trees of partitions while rows move between their leaves.
func TestTreesAreCarried(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(seedOf(t), 7))
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), partitions)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	c := p.connect(p.source)
	defer c.Close()
	for _, s := range treeStatements {
		for range 4 {
			_ = c.Exec(t.Context(), moveRows(r)) // a row may have no leaf for a while
		}
		if strings.HasSuffix(s, detachedSlowly) {
			p.whileReadFrom("p.deep", e, func() { p.exec(p.source, s) })
			continue
		}
		p.exec(p.source, s)
	}
	p.mustCatchup()
	<-e.gone
	p.compare()
	if err := replicator.Cleanup(t.Context(), replicator.CleanupOptions{Dir: p.o.Dir}); err != nil {
		t.Fatal(err)
	}
	p.compareSchema()
}

// whileReadFrom does what waits for somebody who reads a table, and has him go once status tells of it.
func (p *pair) whileReadFrom(table string, e *engine, do func()) {
	p.t.Helper()
	reader := p.connect(p.source)
	defer reader.Close()
	if err := reader.Exec(p.t.Context(), "BEGIN; SELECT FROM "+table); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	told := e.awaitStatus(p.o.Dir, func(s status.Status) bool {
		return strings.Contains(strings.Join(s.Changed, ""), "which is not finished")
	})
	if err := reader.Exec(p.t.Context(), "COMMIT"); err != nil || !told {
		p.t.Errorf("told %t, %v:\n%s", told, err, e.out)
	}
	<-done
}

// TestTreeStatementsThatAreNotCarried has the job stop at each, and go on after a resync.
func TestTreeStatementsThatAreNotCarried(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), partitions)
	for _, s := range []struct{ sql, want, table string }{
		{"ALTER TABLE p.hash ADD COLUMN r double precision DEFAULT random()", "ADD COLUMN r with a default that was computed row by row on table p.hash_", "p.hash_0"},
		{"ALTER TABLE p.base ADD COLUMN w int", "ADD COLUMN w integer, in a tree of tables, on table p.base", "p.base"},
		{"CREATE TABLE p.other (LIKE p.list INCLUDING ALL) PARTITION BY LIST (ward); ALTER TABLE p.list DETACH PARTITION p.list_or; ALTER TABLE p.other ATTACH PARTITION p.list_or FOR VALUES IN ('or')",
			"a statement on its tree, which the target does not have, on table p.list_or", ""},
	} {
		e := startEngine(t, orders{Options: p.o})
		e.mustReach(p.o.Dir, status.Following)
		p.exec(p.source, s.sql)
		if <-e.gone; e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), s.want) {
			t.Fatalf("%s: engine ended with %d:\n%s", s.sql, e.code, e.out)
		}
		if s.table != "" {
			p.mustResync(s.table)
		}
	}
}
