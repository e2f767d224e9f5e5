package replicator_test

import (
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

const dropSchema = `
CREATE SCHEMA h; CREATE SCHEMA g;
CREATE TABLE h.patient (id bigserial PRIMARY KEY, no int GENERATED ALWAYS AS IDENTITY, name text);
CREATE TABLE h.visit (id int PRIMARY KEY, patient bigint REFERENCES h.patient, note text);
CREATE VIEW h.names AS SELECT name FROM h.patient; CREATE MATERIALIZED VIEW h.many AS SELECT count(*) AS n FROM h.names; CREATE INDEX many_n ON h.many (n);
COMMENT ON TABLE h.patient IS 'who'; COMMENT ON VIEW h.names IS 'whose'; COMMENT ON COLUMN h.names.name IS 'it'; GRANT SELECT ON h.patient, h.names, h.many TO ward;
CREATE FUNCTION h.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER t BEFORE UPDATE ON h.patient FOR EACH ROW EXECUTE FUNCTION h.f(); ALTER TABLE h.patient ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON h.patient USING (id > 0);
CREATE TABLE h.gone (id int PRIMARY KEY); CREATE TABLE h.a (id int PRIMARY KEY, v text); CREATE TABLE h.b (id int PRIMARY KEY REFERENCES h.a); CREATE TABLE h.y (id int PRIMARY KEY, v text);
CREATE TABLE h.nokey (v text); CREATE INDEX nokey_v ON h.nokey (v);
CREATE TABLE h.log (at date, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE h.log_1 PARTITION OF h.log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE h.month (at date, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE h.month_1 PARTITION OF h.month FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE h.month_2 PARTITION OF h.month FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE h.month_3 PARTITION OF h.month FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TABLE g.one (id int PRIMARY KEY); CREATE TABLE g.two (id int PRIMARY KEY REFERENCES g.one); CREATE FUNCTION g.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
INSERT INTO h.patient (name) SELECT 'CANARY-7f3a9 ' || i FROM generate_series(1, 300) i; INSERT INTO h.visit SELECT i, i, 'CANARY-7f3a9' FROM generate_series(1, 300) i;
INSERT INTO h.a SELECT i, 'a' FROM generate_series(1, 100) i; INSERT INTO h.y SELECT i, 'y' FROM generate_series(1, 100) i; INSERT INTO h.nokey VALUES ('CANARY-7f3a9');
INSERT INTO h.log SELECT date '2026-01-01' + i % 31, i FROM generate_series(1, 100) i; INSERT INTO h.month SELECT date '2026-01-01' + i % 90, i FROM generate_series(1, 300) i;
INSERT INTO g.one SELECT generate_series(1, 10); REFRESH MATERIALIZED VIEW h.many;
`

// dropStatements leave nothing on the target that the source has no more.
var dropStatements = []string{
	"BEGIN; INSERT INTO h.gone SELECT generate_series(1, 30); SAVEPOINT s; DROP TABLE h.patient CASCADE; ROLLBACK TO s; UPDATE h.patient SET name = 'x' WHERE id = 5; DROP TABLE h.gone; COMMIT",
	"DROP TABLE h.patient CASCADE; UPDATE h.visit SET patient = -1 WHERE id % 2 = 0",
	// Under one name another one, which is late; under the other one that is followed.
	"BEGIN; UPDATE h.a SET v = 'b'; DROP TABLE h.a, h.b; CREATE TABLE h.a (z text, id int PRIMARY KEY); INSERT INTO h.a VALUES ('CANARY-7f3a9', 1); UPDATE h.visit SET note = 'n' WHERE id = 1; COMMIT",
	"ALTER TABLE h.y RENAME TO b; INSERT INTO h.b VALUES (1000, 'CANARY-7f3a9'); ALTER TABLE h.b ADD COLUMN w int DEFAULT 3",
	"DROP TABLE h.log",
	"ALTER TABLE h.month DETACH PARTITION h.month_1; DROP TABLE h.month_1; DROP TABLE h.month_2",
	"DROP TABLE h.nokey",
	"CREATE TABLE h.brief (id int PRIMARY KEY); INSERT INTO h.brief VALUES (1); ALTER TABLE h.brief ADD v text; ALTER TABLE h.brief RENAME TO short; CREATE INDEX short_v ON h.short (v); DROP TABLE h.short",
}

// TestTablesAreDropped drops tables, alone, together, and with what hangs on them, near and far, and opens the
// target: nothing is left of them, and nothing has to be acknowledged.
func TestTablesAreDropped(t *testing.T) {
	t.Parallel()
	for name, far := range map[string]bool{"near": false, "far": true} {
		t.Run(name, func(t *testing.T) {
			p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), dropSchema)
			if far {
				p.far()
			}
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			for _, s := range dropStatements {
				p.exec(p.source, s)
			}
			p.mustCatchup()
			<-e.gone
			p.compare()
			p.dropTells()
			p.compareSchema()
		})
	}
}

// TestDropsOfMore drops a schema, of which all but the tables stays on the target and is named, and makes a view
// again that went with its table: it is named as new. What needs a table on the target alone is in the way.
func TestDropsOfMore(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), dropSchema)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.target, "CREATE VIEW h.theirs AS SELECT id FROM h.a")
	p.exec(p.source, "UPDATE h.a SET v = 'last'; DROP TABLE h.b, h.a; UPDATE h.y SET v = 'z'")
	if <-e.gone; e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), "DROP TABLE on table h.") {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	if n := p.value(p.target, "SELECT count(*) FROM h.theirs"); n != "100" {
		t.Errorf("%s rows are left", n)
	}
	p.exec(p.target, "DROP VIEW h.theirs")
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "DROP SCHEMA g CASCADE; DROP TABLE h.patient CASCADE; CREATE TABLE h.patient (name text); CREATE VIEW h.names AS SELECT name FROM h.patient")
	_, err := p.catchup(replicator.CatchupOptions{})
	for _, want := range []string{"schema schema g", "function g.f()", "view h.names"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named: %v", want, err)
		}
	}
	if _, err = p.catchup(replicator.CatchupOptions{Acknowledge: "all"}); err != nil {
		t.Fatal(err)
	}
	<-e.gone
	p.compare()
	if left := p.value(p.target, "SELECT count(*) FROM pg_tables WHERE schemaname = 'g'"); left != "0" {
		t.Errorf("%s tables of a dropped schema are left", left)
	}
}
