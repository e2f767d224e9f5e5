package replicator_test

import (
	"strconv"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/ddl"
	"replicator/replicator/fault"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// resync takes tables through again, in this process.
func (p *pair) resync(tables ...string) ([]replicator.Resynced, error) {
	return replicator.Resync(p.t.Context(), replicator.ResyncOptions{Dir: p.o.Dir, Tables: tables})
}

func (p *pair) mustResync(tables ...string) []replicator.Resynced {
	p.t.Helper()
	done, err := p.resync(tables...)
	if err != nil {
		p.t.Fatalf("resync %s: %v\nhint: %s", tables, err, fault.HintOf(err))
	}
	return done
}

// TestResync changes tables of every kind under load, takes them through again, and opens the target:
// both sides must be equal, in their schema too, and no table but those may have been read again.
func TestResync(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(2000)+resyncSchema)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	h := startHammer(t, p.source, seed, 2, 2000)
	h.mustCommit(t, 100)
	p.execEach(p.source, strings.Split(resyncStatements, ";\n")...)
	<-e.gone
	if e.code != int(fault.Preflight) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	h.mustCommit(t, 100)
	before := p.receipts()
	if _, err := p.resync("h.named"); fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "h.patient") {
		t.Errorf("others that have changed: %v", err)
	}
	done := p.mustResync("h.named", "h.patient", "h.visit", "h.obs_1", "h.pair", "h.kept", "h.parent", "h.dropped", "h.again", "h.serial", "h.leaf_1")
	again := map[string]bool{}
	for _, r := range done {
		again[r.Table] = true
		if wantGone := r.Table == "h.dropped"; r.Gone != wantGone || r.Late != (r.Table == "h.again") || r.Table == "h.encounter" && r.Rows == 0 {
			t.Errorf("resync says %+v", r)
		}
	}
	for _, name := range []string{"h.encounter", "h.heir", "h.obs_4", "h.obs_8"} { // renamed, and of trees whose columns have changed
		if !again[name] {
			t.Errorf("%s was not taken through again", name)
		}
	}
	for name, receipt := range p.receipts() {
		if was, ok := before[name]; ok && (was == receipt) == again[name] {
			t.Errorf("%s: receipts were %s, are %s", name, was, receipt)
		}
	}
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	h.mustCommit(t, 100)
	h.stop()
	report := p.mustCatchupWithout("order of columns h.heir")
	<-e.gone
	if len(report.MissedRows) > 0 {
		t.Errorf("changes that found no row: %v", report.MissedRows)
	}
	p.compare()
	p.compareSequences()
	p.compareSchema()
}

// receipts are when the chunks of each table were written, by the names that status has.
func (p *pair) receipts() map[string]string {
	p.t.Helper()
	s, err := replicator.ReadStatus(p.t.Context(), p.o.Dir, "")
	if err != nil {
		p.t.Fatal(err)
	}
	c := p.connect(p.target)
	defer c.Close()
	rows, err := c.Query(p.t.Context(), "SELECT tbl, string_agg(chunk || ' ' || written, ',' ORDER BY chunk) FROM replicator.receipt GROUP BY tbl")
	if err != nil {
		p.t.Fatal(err)
	}
	list := map[string]string{}
	for _, r := range rows {
		n, err := strconv.Atoi(r[0])
		if err != nil {
			p.t.Fatal(err)
		}
		list[s.Tables[n].Name] = r[1]
	}
	return list
}

const resyncSchema = `
CREATE TABLE h.patient (id bigint PRIMARY KEY, name text, born date, UNIQUE (name));
CREATE INDEX patient_born ON h.patient (born);
CREATE TABLE h.visit (id bigserial PRIMARY KEY, patient bigint REFERENCES h.patient, note text);
CREATE TABLE h.bill (id bigserial PRIMARY KEY, patient bigint NOT NULL REFERENCES h.patient ON DELETE CASCADE, visit bigint REFERENCES h.visit);
CREATE VIEW h.young AS SELECT id, name FROM h.patient WHERE born > '2000-01-01';
CREATE VIEW h.youngest AS SELECT max(id) AS id FROM h.young;
CREATE MATERIALIZED VIEW h.years AS SELECT extract(year FROM born) AS year, count(*) AS n FROM h.patient GROUP BY 1;
CREATE UNIQUE INDEX years_year ON h.years (year);
GRANT SELECT ON h.young TO ward;
COMMENT ON VIEW h.young IS 'the young ones';
CREATE TRIGGER patient_audit AFTER UPDATE ON h.patient FOR EACH ROW EXECUTE FUNCTION h.audit_fn();
INSERT INTO h.patient SELECT i, 'CANARY-7f3a9 ' || i, '1930-01-01'::date + i * 30 FROM generate_series(1, 1000) i;
INSERT INTO h.visit (patient, note) SELECT 1 + i % 1000, 'CANARY-7f3a9' FROM generate_series(1, 3000) i;
INSERT INTO h.bill (patient, visit) SELECT 1 + i % 1000, i FROM generate_series(1, 500) i;
CREATE TABLE h.kept (id int PRIMARY KEY, v text);
INSERT INTO h.kept SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 100) i;
CREATE TABLE h.parent (id int PRIMARY KEY, v text);
CREATE TABLE h.heir (PRIMARY KEY (id), w int) INHERITS (h.parent);
INSERT INTO h.parent SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 100) i;
INSERT INTO h.heir SELECT i, 'CANARY-7f3a9', i FROM generate_series(101, 200) i;
CREATE TABLE h.dropped (id int PRIMARY KEY);
CREATE TABLE h.again (id int PRIMARY KEY);
INSERT INTO h.again SELECT i FROM generate_series(1, 10) i;
CREATE TABLE h.serial (id serial PRIMARY KEY, v text);
INSERT INTO h.serial (v) SELECT 'CANARY-7f3a9' FROM generate_series(1, 50);
CREATE TABLE h.tree (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE h.leaf_1 PARTITION OF h.tree FOR VALUES IN (1, 2, 3);
CREATE TABLE h.leaf_2 PARTITION OF h.tree FOR VALUES IN (4, 5, 6);
INSERT INTO h.tree SELECT i FROM generate_series(1, 6) i;
`

// resyncStatements end with rows under the new columns, so that the stream has both.
const resyncStatements = `
ALTER TABLE h.named ADD w text DEFAULT 'CANARY-7f3a9';
ALTER TABLE h.patient ADD COLUMN ward int, DROP CONSTRAINT patient_name_key;
CREATE OR REPLACE VIEW h.young AS SELECT id, name, ward FROM h.patient WHERE born > '2000-01-01';
CREATE UNIQUE INDEX patient_name ON h.patient (name, born);
UPDATE h.patient SET ward = id % 7;
ALTER TABLE h.visit RENAME TO encounter;
ALTER TABLE h.encounter RENAME COLUMN note TO remark;
INSERT INTO h.encounter (patient, remark) VALUES (7, 'CANARY-7f3a9 new');
ALTER TABLE h.obs ADD unit text;
ALTER TABLE h.pair DROP n;
ALTER TABLE h.pair ADD n int;
ALTER TABLE h.kept ALTER v TYPE text USING v || ' rewritten';
ALTER TABLE h.parent ADD x int DEFAULT 3;
DROP TABLE h.dropped;
DROP TABLE h.again;
CREATE TABLE h.again (id int PRIMARY KEY, v text);
INSERT INTO h.again SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 20) i;
ALTER TABLE h.serial ALTER id TYPE bigint;
ALTER TABLE h.tree DETACH PARTITION h.leaf_1;
UPDATE h.leaf_1 SET id = 10 WHERE id = 3;
`

// TestKilledInResync kills a resync at each dangerous instant. Every second time seed finishes what was
// left, else the next resync takes over; in the end both sides are equal, and nothing was applied twice.
func TestKilledInResync(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(500))
	p.followThenLeave()
	h := startHammer(t, p.source, seed, 2, 500)
	h.mustCommit(t, 50)
	p.execEach(p.source, "ALTER TABLE h.named ADD w text", "ALTER TABLE h.log ADD more int", "ALTER TABLE h.obs ADD w int")
	for i, hook := range []string{
		"engine: resync planned", "engine: tables taken away", "target: chunk before commit", "engine: chunk received",
		"engine: before marker", "apply: before commit", "apply: after commit",
	} {
		h.mustCommit(t, 20)
		e := startEngine(t, orders{Options: p.o, Resync: []string{"h.named", "h.log", "h.obs_1"}, KillAt: hook, KillNth: 1})
		if <-e.gone; e.code != -1 {
			t.Fatalf("resync was not killed at %q but ended with %d:\n%s", hook, e.code, e.out)
		}
		if i%2 == 0 {
			e = startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			e.kill()
		}
	}
	p.finish(h)
}

// TestResyncInTheFirstCopy changes a table before the target has a consistent point: resync plans it
// anew, and seed does the rest.
func TestResyncInTheFirstCopy(t *testing.T) {
	seed := seedOf(t)
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(1000)+resyncSchema)
	h := startHammer(t, p.source, seed, 2, 1000)
	e := startEngine(t, orders{Options: p.o, KillAt: "engine: before marker", KillNth: 1})
	if <-e.gone; e.code != -1 {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	p.execEach(p.source, "ALTER TABLE h.named ADD w text", "DROP TABLE h.bill", "ALTER TABLE h.patient ADD ward int")
	done := p.mustResync("h.named", "h.bill", "h.patient")
	for _, r := range done {
		if r.Waits == r.Gone {
			t.Errorf("resync says %+v", r)
		}
	}
	p.finish(h)
	p.compareSchema()
}

// TestResyncOfALeaf attaches a leaf anew to a tree that foreign keys point to, and drops a table; the
// target is at another site. The other leaf keeps its rows, and the keys stand again when the leaf does.
func TestResyncOfALeaf(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE SCHEMA h;"+resyncSchemaOfLeaf)
	p.far()
	p.followThenLeave()
	before := p.receipts()
	p.exec(p.source, `ALTER TABLE h.tree DETACH PARTITION h.t2; DELETE FROM h.t2 WHERE id = 11;
		INSERT INTO h.gone VALUES (1), (2); DELETE FROM h.gone; DROP TABLE h.gone;
		ALTER TABLE h.tree ATTACH PARTITION h.t2 FOR VALUES FROM (10) TO (30); INSERT INTO h.tree VALUES (25, 'new'); INSERT INTO h.ref VALUES (25)`)
	p.mustResync("h.t2", "h.gone")
	for name, receipt := range p.receipts() {
		if (before[name] == receipt) == (name == "h.t2") {
			t.Errorf("%s: receipts were %s, are %s", name, before[name], receipt)
		}
	}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "UPDATE h.tree SET v = 'moved', id = 28 WHERE id = 2; UPDATE h.tree SET id = 2 WHERE id = 19; INSERT INTO h.tree VALUES (27, 'x')")
	p.mustCatchup()
	<-e.gone
	p.compare()
	p.compareSchema()
}

const resyncSchemaOfLeaf = `
CREATE TABLE h.tree (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE h.t1 PARTITION OF h.tree FOR VALUES FROM (1) TO (10);
CREATE TABLE h.t2 PARTITION OF h.tree FOR VALUES FROM (10) TO (20);
CREATE INDEX tree_v ON h.tree (v);
CREATE TABLE h.gone (id int PRIMARY KEY);
CREATE TABLE h.ref (id int REFERENCES h.tree, PRIMARY KEY (id));
INSERT INTO h.tree SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 19) i;
INSERT INTO h.ref SELECT i FROM generate_series(3, 9) i;
`

// TestResyncUnderANewRoot takes a table through again that was attached to a partitioned table made since
// the seed, to which a foreign key points. A catch-up that is given up when all of that stands on the
// target must leave the table there with its rows; the next one attaches it again.
func TestResyncUnderANewRoot(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"stop", "replicate"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
			if p.exec(p.source, newRootBefore); mode == "replicate" {
				p.exec(p.source, ddl.Install())
			}
			p.o.DDL = mode
			p.followThenLeave()
			p.exec(p.source, newRootAfter)
			p.mustResync("h.alone")
			e := startEngine(t, orders{Options: p.o, Catchup: true, KillAt: "engine: before open", KillNth: 1})
			if <-e.gone; e.code != -1 {
				t.Fatalf("catch-up was not killed but ended with %d:\n%s", e.code, e.out)
			}
			if _, err := p.catchup(replicator.CatchupOptions{Abort: true}); err != nil {
				t.Fatal(err)
			}
			p.exec(p.source, "UPDATE h.root SET v = v || ' more' WHERE id < 4; INSERT INTO h.ref VALUES (4)")
			p.mustCatchup()
			p.compare()
			if err := replicator.Cleanup(t.Context(), replicator.CleanupOptions{Dir: p.o.Dir}); err != nil {
				t.Fatal(err)
			}
			p.compareSchema()
		})
	}
}

const newRootBefore = `
CREATE SCHEMA h;
CREATE TABLE h.alone (id int PRIMARY KEY, v text);
CREATE INDEX alone_v ON h.alone (v);
INSERT INTO h.alone SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 10) i;
`

const newRootAfter = `
CREATE TABLE h.root (id int PRIMARY KEY, v text, UNIQUE (v, id)) PARTITION BY RANGE (id);
CREATE INDEX root_v ON h.root (v);
ALTER TABLE h.root ATTACH PARTITION h.alone FOR VALUES FROM (1) TO (11);
CREATE TABLE h.new PARTITION OF h.root FOR VALUES FROM (20) TO (30);
INSERT INTO h.root VALUES (21, 'CANARY-7f3a9');
CREATE TABLE h.ref (id int PRIMARY KEY REFERENCES h.root);
INSERT INTO h.ref VALUES (3), (21);
`

// TestResyncOfATableOfRules takes tables through again that nothing but the rules of a view, or of another
// table, name.
func TestResyncOfATableOfRules(t *testing.T) {
	t.Parallel()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE SCHEMA h;
		CREATE TABLE h.seen (id int PRIMARY KEY, v text);
		CREATE TABLE h.written (id int PRIMARY KEY, v text);
		CREATE TABLE h.ruled (id int PRIMARY KEY, v text);
		CREATE TABLE h.noted (id int PRIMARY KEY, v text);
		CREATE VIEW h.front AS SELECT id, v FROM h.seen;
		CREATE RULE front_insert AS ON INSERT TO h.front DO INSTEAD INSERT INTO h.written VALUES (new.id, new.v);
		CREATE RULE ruled_insert AS ON INSERT TO h.ruled DO ALSO INSERT INTO h.noted VALUES (new.id, new.v);
		COMMENT ON RULE front_insert ON h.front IS 'to the other table';
		INSERT INTO h.seen SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 10) i;
		INSERT INTO h.front VALUES (11, 'CANARY-7f3a9'); INSERT INTO h.ruled VALUES (1, 'CANARY-7f3a9')`)
	p.followThenLeave()
	p.exec(p.source, "ALTER TABLE h.written ADD w int; ALTER TABLE h.noted ADD w int; INSERT INTO h.front VALUES (12, 'CANARY-7f3a9'); INSERT INTO h.ruled VALUES (2, 'x')")
	p.mustResync("h.written", "h.noted")
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "INSERT INTO h.front VALUES (13, 'CANARY-7f3a9'); INSERT INTO h.ruled VALUES (3, 'x')")
	p.mustCatchup()
	<-e.gone
	p.compare()
	p.compareSchema()
}

// TestResyncWithLeastRights takes tables of the clinical database through again, one of them the hub of
// its foreign keys, between versions and with no more rights than the printed SQL gives.
func TestResyncWithLeastRights(t *testing.T) {
	t.Parallel()
	m := newMove(t, 14, 18)
	m.setUp(source.FenceDatabase)
	m.noSuperuser()
	wards := m.startWards()
	e := startEngine(t, orders{Options: m.o})
	e.mustReach(m.o.Dir, status.Following)
	wards.mustCommit(t, 50)
	m.exec(m.source, "ALTER TABLE record.patient ADD COLUMN ward_of_birth text DEFAULT 'none'")
	m.exec(m.source, "ALTER TABLE record.observation ADD COLUMN device_serial text")
	if <-e.gone; e.code != int(fault.Preflight) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	wards.mustCommit(t, 50)
	m.mustResync("record.patient", "record.observation_*")
	e = startEngine(t, orders{Options: m.o})
	e.mustReach(m.o.Dir, status.Following)
	wards.mustCommit(t, 50)
	// What our role may not give the schema public is no matter of this test.
	report, err := m.catchup(replicator.CatchupOptions{Acknowledge: "all"})
	if err != nil {
		t.Fatalf("catch-up: %v", err)
	}
	wards.stop(t)
	<-e.gone
	if len(report.MissedRows) > 0 {
		t.Errorf("changes that found no row: %v", report.MissedRows)
	}
	m.compare()
	m.compareSequences()
	m.compareSchema()
}
