package check

import (
	"fmt"
	"testing"
	"time"

	"replicator/bench/cluster"
)

// many is a tenth of the hundred thousand tables that a check must do within a minute, since making those
// takes longer than all other tests. How long it takes is for make bench-copy COPY='--scenario plan'.
const many = 10_000

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
	t.Logf("%d tables in %s", len(r.Plan.Tables), time.Since(start))
	if len(r.Plan.Tables) != many {
		t.Errorf("%d tables, want %d", len(r.Plan.Tables), many)
	}
}
