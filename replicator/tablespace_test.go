package replicator_test

import (
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// TestTablespaceMap moves a table and indexes out of a tablespace that the target has not, one made
// after the plan as well.
func TestTablespaceMap(t *testing.T) {
	p := newPair(t, ownServer(t, cluster.Config{}), server(t, "target", cluster.Config{}))
	c := p.connect(p.source)
	defer c.Close()
	for _, sql := range []string{"SET allow_in_place_tablespaces = on", "CREATE TABLESPACE fast LOCATION ''"} { // not in one transaction
		if err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	p.exec(p.source, `CREATE TABLE ward (id int PRIMARY KEY USING INDEX TABLESPACE fast, v text) TABLESPACE fast;
		CREATE INDEX ward_v ON ward (v) TABLESPACE fast; INSERT INTO ward SELECT i, 'v' || i FROM generate_series(1, 500) i`)
	p.o.Tablespaces = schema.Tablespaces{"fast": ""}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "CREATE TABLE late (id int PRIMARY KEY) TABLESPACE fast; INSERT INTO late VALUES (1)")
	report := p.mustCatchup()
	if n := p.value(p.target, "SELECT count(*) || ' of ' || count(*) FILTER (WHERE reltablespace = 0) FROM pg_class WHERE relname IN ('ward', 'ward_pkey', 'ward_v', 'late')"); n != "4 of 4" {
		t.Errorf("relations in the default tablespace: %s", n)
	}
	if m := report.Manifest; m == nil || len(m.Notes()) == 0 || m.Notes()[0].Kind != "tablespace" {
		t.Errorf("the manifest does not name the tablespace: %+v", m)
	}
	p.compare()
}
