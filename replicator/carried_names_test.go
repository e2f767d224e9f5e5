package replicator_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/ddl"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// namesSchema has all that hangs on a table by its name: sequences, views, comments, rights, and what waits
// for the fence.
const namesSchema = `
CREATE SCHEMA h; CREATE SCHEMA "H 2";
CREATE TABLE h.patient (id bigserial PRIMARY KEY, no int GENERATED ALWAYS AS IDENTITY, name text DEFAULT 'none' CHECK (name <> ''));
CREATE TABLE h.visit (id int PRIMARY KEY, patient bigint REFERENCES h.patient, note text);
CREATE INDEX patient_name ON h.patient (name); CREATE STATISTICS h.both ON id, name FROM h.patient;
CREATE VIEW h.names AS SELECT patient.name FROM h.patient WHERE patient.id > 3; CREATE TABLE h.kept (name text PRIMARY KEY);
CREATE RULE r AS ON DELETE TO h.names DO INSTEAD DELETE FROM h.kept WHERE kept.name = old.name;
CREATE MATERIALIZED VIEW h.many AS SELECT v.note, p.name FROM h.visit v JOIN h.patient p ON p.id = v.patient;
COMMENT ON TABLE h.patient IS 'who'; COMMENT ON COLUMN h.patient.name IS 'whose'; COMMENT ON CONSTRAINT patient_pkey ON h.patient IS 'one';
GRANT SELECT ON h.patient TO ward; GRANT UPDATE (note) ON h.visit TO ward; GRANT USAGE ON SEQUENCE h.patient_id_seq TO ward;
CREATE FUNCTION h.patient() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER visited BEFORE UPDATE ON h.patient FOR EACH ROW WHEN (old.name IS DISTINCT FROM new.name) EXECUTE FUNCTION h.patient();
ALTER TABLE h.patient ENABLE ALWAYS TRIGGER visited; COMMENT ON TRIGGER visited ON h.patient IS 'when';
CREATE TABLE h.left (id int PRIMARY KEY, v text); CREATE TABLE h.right (id int PRIMARY KEY, v text);
CREATE TABLE h.ruled (id int PRIMARY KEY); CREATE TABLE h.noted (id int PRIMARY KEY); CREATE RULE r AS ON DELETE TO h.ruled WHERE old.id < 0 DO ALSO DELETE FROM h.noted WHERE noted.id = old.id;
ALTER TABLE h.ruled ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON h.ruled USING (EXISTS (SELECT FROM h.ruled r WHERE r.id = ruled.id));
CREATE TABLE h.log (at date, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE h.log_1 PARTITION OF h.log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE h.log_2 PARTITION OF h.log FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO h.patient (name) SELECT 'CANARY-7f3a9 ' || i FROM generate_series(1, 300) i;
INSERT INTO h.visit SELECT i, i, 'CANARY-7f3a9' FROM generate_series(1, 300) i;
INSERT INTO h.left SELECT i, 'l' FROM generate_series(1, 200) i; INSERT INTO h.right SELECT i, 'r' FROM generate_series(1, 100) i;
INSERT INTO h.log SELECT date '2026-01-01' + i % 59, i FROM generate_series(1, 300) i;
INSERT INTO h.ruled SELECT generate_series(1, 10);
`

// namesStatements are run one after the other; a transaction has rows before, between and after.
var namesStatements = []string{
	"ALTER TABLE h.patient RENAME TO person",
	"INSERT INTO h.person (name) SELECT 'CANARY-7f3a9' FROM generate_series(1, 20)",
	"BEGIN; UPDATE h.left SET v = 'a'; ALTER TABLE h.left RENAME TO tmp; ALTER TABLE h.right RENAME TO \"left\"; DELETE FROM h.left WHERE id % 3 = 0; ALTER TABLE h.tmp RENAME TO \"right\"; UPDATE h.right SET v = 'c' WHERE id % 2 = 0; COMMIT",
	"BEGIN; UPDATE h.person SET name = 'x' WHERE id = 9; SAVEPOINT s; ALTER TABLE h.person RENAME TO never; UPDATE h.never SET name = 'n'; ROLLBACK TO s; UPDATE h.person SET name = 'y' WHERE id = 10; COMMIT",
	"ALTER TABLE h.person SET SCHEMA \"H 2\"",
	"ALTER TABLE \"H 2\".person RENAME TO \"Per son\"",
	"UPDATE \"H 2\".\"Per son\" SET name = 'CANARY-7f3a9' WHERE id % 5 = 0; INSERT INTO \"H 2\".\"Per son\" (name) VALUES ('z')",
	"ALTER TABLE \"H 2\".\"Per son\" ADD COLUMN ward text DEFAULT 'w'",
	"ALTER TABLE h.log_1 RENAME TO log_january; UPDATE h.log SET at = '2026-01-05' WHERE id % 10 = 3",
	"ALTER TABLE h.ruled RENAME TO unruly; ALTER TABLE h.noted RENAME TO said; DELETE FROM h.unruly WHERE id = 3",
	"ALTER TABLE h.visit SET SCHEMA \"H 2\"; INSERT INTO \"H 2\".visit VALUES (1000, 5, 'n')",
	"CREATE TABLE h.patient (id int PRIMARY KEY, other text); INSERT INTO h.patient VALUES (1, 'CANARY-7f3a9')", // another one, under a name that is free
}

// TestTablesAreRenamed gives tables other names and schemas while rows are written, near and far, and opens
// the target: all that hangs on them is as on the source, and nothing has to be acknowledged.
func TestTablesAreRenamed(t *testing.T) {
	t.Parallel()
	for name, far := range map[string]bool{"near": false, "far": true} {
		t.Run(name, func(t *testing.T) {
			p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), namesSchema)
			if far {
				p.far()
			}
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			for _, s := range namesStatements {
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

// dropTells takes the event triggers from the source, which no dump of it should have.
func (p *pair) dropTells() {
	p.t.Helper()
	for _, s := range ddl.Remove() {
		p.exec(p.source, s)
	}
}

// TestNamesThatStay stops at a new name of a table with heirs, and at a schema that the target does not have; once
// that is there the same job goes on.
func TestNamesThatStay(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), namesSchema+"CREATE TABLE h.heir () INHERITS (h.left);")
	stops := func(sql, table string) {
		t.Helper()
		e := startEngine(t, orders{Options: p.o})
		e.mustReach(p.o.Dir, status.Following)
		p.exec(p.source, sql)
		if <-e.gone; e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), table) {
			t.Fatalf("%s: engine ended with %d:\n%s", sql, e.code, e.out)
		}
	}
	stops("ALTER TABLE h.left RENAME TO parent", "RENAME TO parent, in a tree of tables, on table h.left")
	p.mustResync("h.left")
	stops("INSERT INTO h.right VALUES (1000, 'x'); CREATE SCHEMA fresh; ALTER TABLE h.right SET SCHEMA fresh; INSERT INTO fresh.right VALUES (1001, 'x')", "SET SCHEMA fresh on table h.right fails on the target")
	p.exec(p.target, "CREATE SCHEMA fresh")
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "ALTER TABLE h.patient RENAME TO person; INSERT INTO h.person (name) VALUES ('x')")
	e.terminate()            // before or after it is carried
	p.mustResync("h.person") // under the new name
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "ALTER TABLE h.person RENAME TO somebody; UPDATE h.somebody SET name = 'z' WHERE id = 7")
	_, err := p.catchup(replicator.CatchupOptions{Acknowledge: "all"})
	if err != nil {
		t.Fatal(err)
	}
	<-e.gone
	p.compare()
}

// TestNameInAViewsRule stops at a new name of a table that the rule of a view has in its text.
func TestNameInAViewsRule(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), `CREATE SCHEMA h; CREATE TABLE h.kept (name text PRIMARY KEY);
		CREATE VIEW h.names AS SELECT 'x' AS name; CREATE RULE r AS ON DELETE TO h.names DO INSTEAD DELETE FROM h.kept WHERE kept.name = old.name`)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "INSERT INTO h.kept VALUES ('a'); ALTER TABLE h.kept RENAME TO held; INSERT INTO h.held VALUES ('b')")
	if <-e.gone; e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), "RENAME TO held, which a view's rule names that is made at the fence, on table h.kept") {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	if n := p.value(p.target, "SELECT count(*) FROM h.kept"); n != "0" {
		t.Errorf("%s rows of the statement's transaction are on the target", n)
	}
}

// TestVerifyMeetsANewName has a verification come to a table that is called otherwise on the source, while
// somebody on the target keeps the statement waiting there: it waits for it, and can be gone on with.
func TestVerifyMeetsANewName(t *testing.T) {
	t.Parallel()
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), `CREATE SCHEMA h; CREATE TABLE h.last (id int PRIMARY KEY);
		DO $$ BEGIN FOR i IN 1..200 LOOP EXECUTE format('CREATE TABLE h.t%s (id int PRIMARY KEY); INSERT INTO h.t%s VALUES (1)', i, i); END LOOP; END $$`)
	p.followThenLeave()
	reader, source := p.connect(p.target), p.connect(p.source)
	defer source.Close()
	if err := reader.Exec(t.Context(), "BEGIN; LOCK TABLE h.last IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	ended, released := make(chan struct{}), make(chan struct{})
	waits := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND query = 'SELECT pg_current_wal_insert_lsn()' AND application_name LIKE '%/statements'"
	go func() { // the reader leaves when the verification waits
		defer close(released)
		defer reader.Close()
		for {
			n, err := source.Value(context.Background(), waits)
			select {
			case <-ended:
				return
			case <-time.After(10 * time.Millisecond):
				if err != nil || n != "0" {
					return
				}
			}
		}
	}()
	var once sync.Once
	_, err := replicator.Verify(t.Context(), replicator.VerifyOptions{Dir: p.o.Dir}, func(verify.Event) {
		once.Do(func() { p.exec(p.source, "ALTER TABLE h.last RENAME TO final; INSERT INTO h.final VALUES (1)") })
	})
	close(ended)
	<-released
	if fault.CodeOf(err) != fault.Interrupted || !strings.Contains(fault.HintOf(err), "run verify again") {
		t.Fatalf("verify: %v (code %d)", err, fault.CodeOf(err))
	}
	report, err := p.verify(verify.Options{})
	if err != nil || report.Outcome != verify.Equal || len(report.Tables) != 201 {
		t.Errorf("verify again: %v, %+v", err, report)
	}
}
