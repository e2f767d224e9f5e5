package check

import (
	"fmt"
	"testing"
	"time"

	"replicator/bench/cluster"
)

// many tables, and what a check of them may take: a tenth of the hundred thousand that it must do
// within a minute, since making those takes longer than all other tests. (All of them took 13 s on
// two cores.)
const (
	many     = 10_000
	manyTime = 6 * time.Second
)

func TestManyTables(t *testing.T) {
	c := own(t, cluster.Config{Version: 15, Settings: map[string]string{"max_locks_per_transaction": "1024", "autovacuum": "off"}})
	src, dst := c.DSN(database(t, c)), c.DSN(database(t, c))
	for i := range many / 2500 {
		execute(t, src, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..2500 LOOP
			EXECUTE format('CREATE TABLE t_%d_%%s (id int PRIMARY KEY, v text)', i); END LOOP; END $$`, i))
	}
	start := time.Now()
	r, err := Run(t.Context(), Options{Source: src, Target: dst})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	t.Logf("%d tables in %s", len(r.Plan.Tables), took)
	if len(r.Plan.Tables) != many || took > manyTime {
		t.Errorf("%d tables in %s, want %d within %s", len(r.Plan.Tables), took, many, manyTime)
	}
}
