package replicator_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// partitions are trees of every kind, of several levels, with leaves whose columns stand in another
// order, and heirs that hold rows beside their parent's.
const partitions = `
CREATE SCHEMA p;
CREATE TABLE p.list (ward text, id int, v text, PRIMARY KEY (ward, id)) PARTITION BY LIST (ward);
CREATE TABLE p.list_ed PARTITION OF p.list FOR VALUES IN ('ed', 'icu');
CREATE TABLE p.list_or (v text, id int NOT NULL, gone int, ward text NOT NULL);
ALTER TABLE p.list_or DROP gone;
ALTER TABLE p.list ATTACH PARTITION p.list_or FOR VALUES IN ('or');
CREATE TABLE p.list_rest PARTITION OF p.list DEFAULT;
CREATE TABLE p.hash (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE p.hash_0 PARTITION OF p.hash FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE p.hash_1 PARTITION OF p.hash FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE p.hash_2 PARTITION OF p.hash FOR VALUES WITH (MODULUS 3, REMAINDER 2);
CREATE TABLE p.deep (at date, id int, v text, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE p.deep_25 PARTITION OF p.deep FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE p.deep_26 PARTITION OF p.deep FOR VALUES FROM ('2026-01-01') TO (MAXVALUE) PARTITION BY HASH (id);
CREATE TABLE p.deep_26_0 PARTITION OF p.deep_26 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE p.deep_26_1 PARTITION OF p.deep_26 FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY RANGE (id);
CREATE TABLE p.deep_26_1_low PARTITION OF p.deep_26_1 FOR VALUES FROM (0) TO (500);
CREATE TABLE p.deep_26_1_high PARTITION OF p.deep_26_1 FOR VALUES FROM (500) TO (MAXVALUE);
CREATE TABLE p.base (id int PRIMARY KEY, v text);
CREATE TABLE p.heir (more int, PRIMARY KEY (id)) INHERITS (p.base);
CREATE TABLE p.ref (id int PRIMARY KEY REFERENCES p.hash);
INSERT INTO p.list SELECT (ARRAY['ed', 'icu', 'or', 'lab'])[1 + i % 4], i, 'CANARY-7f3a9' FROM generate_series(1, 1000) i;
INSERT INTO p.hash SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 1000) i;
INSERT INTO p.deep SELECT '2025-01-01'::date + i % 700, i, 'CANARY-7f3a9' FROM generate_series(1, 1000) i;
INSERT INTO p.base SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 300) i;
INSERT INTO p.heir SELECT i, 'CANARY-7f3a9', i FROM generate_series(301, 600) i;
INSERT INTO p.ref SELECT i FROM generate_series(1, 100) i;
ANALYZE;`

// moveRows are statements that move rows between leaves, of any level, and write through the root.
func moveRows(r *rand.Rand) string {
	id := 1 + r.IntN(1000)
	return []string{
		fmt.Sprintf("UPDATE p.list SET ward = (ARRAY['ed', 'icu', 'or', 'lab', 'xr'])[%d] WHERE id = %d", 1+r.IntN(5), id),
		fmt.Sprintf("UPDATE p.hash SET id = id + 10000, v = v || 'm' WHERE id = %d AND NOT EXISTS (SELECT FROM p.ref WHERE ref.id = hash.id)", id),
		fmt.Sprintf("UPDATE p.deep SET at = '2025-01-01'::date + %d WHERE id = %d", r.IntN(700), id),
		fmt.Sprintf("UPDATE p.deep SET id = id + 1000 WHERE id %% 100 = %d AND id < 5000", r.IntN(100)),
		fmt.Sprintf("UPDATE p.base SET v = v || 'x' WHERE id %% 50 = %d", r.IntN(50)),
		fmt.Sprintf("DELETE FROM p.base WHERE id = %d; INSERT INTO p.heir VALUES (%d, 'CANARY-7f3a9', 1) ON CONFLICT DO NOTHING", id, id),
		fmt.Sprintf("DELETE FROM p.deep WHERE id = %d", id),
		fmt.Sprintf("INSERT INTO p.list VALUES ('or', %d, 'new') ON CONFLICT DO NOTHING", 2000+id),
	}[r.IntN(8)]
}

// TestPartitions moves trees of every kind while their rows move between leaves, from the first copy on.
func TestPartitions(t *testing.T) {
	r := rand.New(rand.NewPCG(seedOf(t), 7))
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.o.ChunkBytes = 16 << 10
	p.exec(p.source, partitions)
	e := startEngine(t, orders{Options: p.o})
	write := func(n int) {
		var sql strings.Builder
		for range n {
			sql.WriteString(moveRows(r) + ";")
			if r.IntN(4) == 0 {
				p.exec(p.source, sql.String())
				sql.Reset()
			}
		}
		p.exec(p.source, sql.String())
	}
	write(100) // while it copies
	e.mustReach(p.o.Dir, status.Following)
	write(200)
	p.exec(p.source, "TRUNCATE p.deep_26_1_low; TRUNCATE p.deep_25")
	// What is made while following comes at the fence; rows that move there leave the leaf where they were.
	p.exec(p.source, "CREATE TABLE p.list_xr (LIKE p.list INCLUDING ALL); DELETE FROM p.list_rest WHERE ward = 'xr'; ALTER TABLE p.list ATTACH PARTITION p.list_xr FOR VALUES IN ('xr')")
	write(100)
	p.mustCatchup()
	<-e.gone
	p.compare()
	p.compareSchema()
}

// TestAttachAndDetach wants both seen while following: nobody writes to the table, so no row tells.
func TestAttachAndDetach(t *testing.T) {
	t.Parallel()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, partitions+"CREATE TABLE p.alone (at date, id int, v text, PRIMARY KEY (at, id))")
	p.o.LookEvery = 50 * time.Millisecond
	for _, tt := range []struct {
		sql, want, table string
		taken            int // tables taken through again
	}{
		{"ALTER TABLE p.list DETACH PARTITION p.list_or", "DETACH PARTITION on table p.list_or: from p.list", "p.list_or", 1},
		{"ALTER TABLE p.list ATTACH PARTITION p.list_or FOR VALUES IN ('or', 'pacu')", "ATTACH PARTITION on table p.list_or: to p.list", "p.list_or", 1},
		{"ALTER TABLE p.deep DETACH PARTITION p.deep_26", "ATTACH PARTITION on table p.deep_26_", "p.deep_26*", 3},
		{"ALTER TABLE p.heir NO INHERIT p.base", "INHERIT on table p.heir: from (), was from (p.base)", "p.heir", 1},
	} {
		e := startEngine(t, orders{Options: p.o})
		e.mustReach(p.o.Dir, status.Following)
		p.exec(p.source, tt.sql)
		if <-e.gone; e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), "error: "+tt.want) {
			t.Fatalf("%s: engine ended with %d:\n%s", tt.sql, e.code, e.out)
		}
		if done := p.mustResync(tt.table); len(done) != tt.taken {
			t.Errorf("resync of %s took %+v", tt.table, done)
		}
	}
	p.mustFinish()
	p.compareSchema()
}

// mustFinish opens the target with nobody at work, and compares.
func (p *pair) mustFinish() {
	p.t.Helper()
	e := startEngine(p.t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	<-e.gone
	p.compare()
}
