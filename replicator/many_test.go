package replicator_test

import (
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
)

// manyTables are small ones, of which one has an index that only one of two servers can build.
const manyTables = `
CREATE FUNCTION choosy(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
	IF current_setting('application_name') LIKE 'replicator/%/work' THEN RAISE 'not here: CANARY-7f3a9'; END IF; RETURN $1; END $$;
DO $$ BEGIN FOR i IN 1 .. 120 LOOP
	EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, v text)', i);
	EXECUTE format('INSERT INTO t%s SELECT g, ''CANARY-7f3a9'' FROM generate_series(1, %s %% 7) g', i, i);
	EXECUTE format('CREATE INDEX t%s_v ON t%s (v)', i, i);
END LOOP; END $$;
CREATE INDEX odd ON t60 (choosy(id));
ANALYZE;`

// TestManySmallTables: indexes of small tables are built several to a transaction. One that fails is named,
// the others stand, and the job goes on from there.
func TestManySmallTables(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, manyTables)
	p.o.Until = "consistent"
	err := replicator.Seed(t.Context(), p.o)
	if fault.CodeOf(err) == fault.OK || !strings.Contains(err.Error(), "public.odd") {
		t.Fatalf("an index that cannot be built: %v", err)
	}
	checkCanary(t, err.Error())
	p.exec(p.target, "CREATE OR REPLACE FUNCTION choosy(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'")
	if err := replicator.Seed(t.Context(), p.o); err != nil {
		t.Fatal(err)
	}
	if n := p.value(p.target, "SELECT count(*) FROM pg_index WHERE indrelid::regclass::text ~ '^t[0-9]+$' AND indisvalid"); n != "241" {
		t.Errorf("%s indexes", n)
	}
	if n := p.value(p.target, "SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]+$' AND relkind = 'r' AND reltuples >= 0"); n != "120" {
		t.Errorf("%s tables are analyzed", n)
	}
	// now() is a transaction's beginning. The group that failed has one for each step.

	if n := p.value(p.target, "SELECT (count(DISTINCT ran) < count(*) / 8) || ': ' || count(*) || ' in ' || count(DISTINCT ran) FROM replicator.step"); !strings.HasPrefix(n, "true") {
		t.Errorf("steps in so many transactions: %s", n)
	}
}
