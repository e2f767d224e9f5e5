package replicator_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// manyTables is a database of small tables and one that is worth several sessions.
const manyTables = `CREATE SCHEMA m;
DO $$ BEGIN FOR i IN 0..56 LOOP
	EXECUTE format('CREATE TABLE m.t%s (id int PRIMARY KEY, v text)', i);
	EXECUTE format('INSERT INTO m.t%s SELECT i, ''CANARY-7f3a9'' || i FROM generate_series(1, 200) i', i);
END LOOP; END $$;
CREATE TABLE m.large (id int PRIMARY KEY, v text); INSERT INTO m.large SELECT i, repeat('x', 500) || i FROM generate_series(1, 150000) i; ANALYZE`

// sessions is how many sessions there were on the database so far.
func (p *pair) sessions(dsn string) int {
	p.t.Helper()
	n, err := strconv.Atoi(p.value(dsn, "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// TestFullComparisonOfManyTables damages rows in some of many tables: each is named, and no other. It takes
// no session for each table.
func TestFullComparisonOfManyTables(t *testing.T) {
	r := rand.New(rand.NewPCG(seedOf(t), 7))
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, manyTables)
	p.far()
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	picked := r.Perm(57)[:3]
	want := []string{"m.large"}
	damage := "SET session_replication_role = replica; UPDATE m.large SET v = 'damaged' WHERE id = 149999;"
	for i, n := range picked {
		want = append(want, fmt.Sprintf("m.t%d", n))
		damage += fmt.Sprintf([]string{"UPDATE m.t%d SET v = NULL WHERE id = 7;", "DELETE FROM m.t%d WHERE id = 200;", "INSERT INTO m.t%d VALUES (201, 'extra');"}[i], n)
	}
	p.exec(p.target, damage)
	before := [2]int{p.sessions(p.source), p.sessions(p.target)}
	report, err := p.catchup(replicator.CatchupOptions{Verify: catchup.VerifyFull})
	if fault.CodeOf(err) != fault.Mismatch || report.Outcome != catchup.Failed {
		t.Fatalf("catch-up over damage: %v\n%s", err, e.out)
	}
	after := [2]int{p.sessions(p.source), p.sessions(p.target)}
	var found []string
	for _, tab := range report.Different() {
		found = append(found, tab.Name)
	}
	slices.Sort(want)
	if !slices.Equal(sorted(found), want) || len(report.Tables) != 58 {
		t.Errorf("of %d tables %v differ, want %v", len(report.Tables), found, want)
	}
	for _, name := range want {
		if !strings.Contains(err.Error(), name+" ") {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	for i, side := range []string{"source", "target"} {
		if n := after[i] - before[i]; n > 30 {
			t.Errorf("%d sessions on the %s for 58 tables", n, side)
		}
	}
	p.exec(p.source, "CREATE TABLE m.again (id int)") // the fence is lifted
	p.exec(p.target, "SET session_replication_role = replica; DELETE FROM m.large WHERE id = 149999")
}
