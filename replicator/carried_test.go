package replicator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/check"
	"replicator/replicator/ddl"
	"replicator/replicator/fault"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// carrying makes a pair whose source has the event triggers, and a job that has statements carried.
func carrying(t *testing.T, src, tgt *cluster.Cluster, schema string) *pair {
	t.Helper()
	p := newPair(t, src, tgt)
	p.exec(p.source, ddl.Install()+schema)
	p.o.DDL, p.o.LookEvery = "replicate", time.Millisecond // who looks meets statements that are on their way
	return p
}

// TestStatementsAreCarried runs statements of every kind that is carried on tables that are written all the
// time, and opens the target: rows and schema are equal, nothing has stopped, nothing has to be acknowledged.
func TestStatementsAreCarried(t *testing.T) {
	t.Parallel()
	for name, far := range map[string]bool{"near": false, "far": true} {
		t.Run(name, func(t *testing.T) {
			p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), carriedSchema)
			if far {
				p.far()
			}
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			for i, s := range carriedStatements {
				p.exec(p.source, fmt.Sprintf(`INSERT INTO h.patient (id, name) SELECT i, 'CANARY-7f3a9' FROM generate_series(%d, %d) i;
					UPDATE h.patient SET name = name || '.' WHERE id %% 7 = %d; DELETE FROM h.patient WHERE id = %d`, 1000+i*10, 1009+i*10, i%7, 1000+i*10))
				p.exec(p.source, s)
			}
			p.mustCatchup()
			<-e.gone
			p.compare()
			if err := replicator.Cleanup(t.Context(), replicator.CleanupOptions{Dir: p.o.Dir, Link: p.o.Link}); err != nil {
				t.Fatal(err)
			}
			if left := p.value(p.source, "SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'replicator%'"); left != "0" {
				t.Errorf("cleanup left %s event triggers", left)
			}
			p.compareSchema()
		})
	}
}

const carriedSchema = `
CREATE SCHEMA h;
CREATE TYPE h.mood AS ENUM ('sad', 'well');
CREATE TABLE h.patient (id bigint PRIMARY KEY, name text, gone int DEFAULT 3, size real DEFAULT 0.1, born timestamp DEFAULT '2001-02-03 04:05:06', code varchar(20), old text, mood h.mood);
CREATE INDEX patient_old ON h.patient (old);
CREATE INDEX patient_born ON h.patient (born);
INSERT INTO h.patient SELECT i, 'CANARY-7f3a9 ' || i FROM generate_series(1, 500) i;
`

// carriedStatements are run one after the other, each in a transaction of its own.
var carriedStatements = []string{
	"ALTER TABLE h.patient ADD COLUMN ward text",
	"UPDATE h.patient SET ward = 'CANARY-7f3a9' WHERE id % 2 = 0; ALTER TABLE h.patient ALTER ward SET DEFAULT 'none'",
	"ALTER TABLE h.patient ADD filled int[] NOT NULL DEFAULT '{1,2}', ADD since timestamptz DEFAULT now(), ADD j jsonb DEFAULT '{\"a\": [1, \"x,y\"]}'",
	"ALTER TABLE h.patient ALTER filled SET DEFAULT '{3}', ALTER since DROP DEFAULT",
	"ALTER TABLE h.patient DROP COLUMN gone",
	"ALTER TABLE h.patient ADD COLUMN gone text DEFAULT 'again''s'",
	"ALTER TABLE h.patient RENAME COLUMN old TO \"Old \"\"name\"",
	"ALTER TABLE h.patient ADD COLUMN old numeric(8,2) DEFAULT 3.5",
	"ALTER TABLE h.patient ALTER gone SET NOT NULL",
	"ALTER TABLE h.patient ALTER gone DROP NOT NULL, ALTER gone DROP DEFAULT",
	"ALTER TABLE h.patient ALTER COLUMN size TYPE double precision",
	"SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'",
	"ALTER TABLE h.patient ALTER code TYPE text",
	"CREATE INDEX patient_ward ON h.patient (lower(ward)) WHERE id > 3",
	"CREATE UNIQUE INDEX CONCURRENTLY patient_twice ON h.patient (id, ward)",
	"DROP INDEX h.patient_born",
	"ALTER TYPE h.mood ADD VALUE 'so so' BEFORE 'well'",
	"UPDATE h.patient SET mood = 'so so' WHERE id < 100",
	"ALTER TYPE h.mood ADD VALUE IF NOT EXISTS 'dead'",
	"ALTER TABLE h.patient ALTER born TYPE date",
	"VACUUM FULL h.patient",
}

// TestStatementsOfOneTransaction has several statements between the rows of one transaction, which also
// takes some of them back.
func TestStatementsOfOneTransaction(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), carriedSchema)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	c := p.connect(p.source)
	defer c.Close()
	for sql := range strings.SplitSeq(`BEGIN;
		INSERT INTO h.patient SELECT i, 'before' FROM generate_series(1001, 1050) i;
		ALTER TABLE h.patient ADD a int DEFAULT 7;
		UPDATE h.patient SET a = 8, name = 'a' WHERE id % 3 = 0;
		SAVEPOINT s;
		ALTER TABLE h.patient DROP COLUMN name, ADD b int;
		UPDATE h.patient SET b = 1;
		ROLLBACK TO s;
		UPDATE h.patient SET name = 'kept' WHERE id % 5 = 0;
		ALTER TABLE h.patient RENAME a TO c;
		INSERT INTO h.patient (id, c) VALUES (2001, 1);
		ALTER TABLE h.patient ALTER c TYPE bigint;
		DELETE FROM h.patient WHERE c = 7 AND id < 50;
		ALTER TABLE h.patient DROP COLUMN c;
		INSERT INTO h.patient (id) VALUES (2002);
		COMMIT`, ";") {
		if err := c.Exec(t.Context(), strings.TrimSpace(sql)); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	p.mustCatchup()
	<-e.gone
	p.compare()
}

// TestStatementBeforeTheFence has a statement come between the gates and the fence: what is compared behind
// it are the columns that the table has then.
func TestStatementBeforeTheFence(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), carriedSchema)
	p.o.Hook = func(point string) {
		if point == "engine: fence remembered" {
			p.exec(p.source, "ALTER TABLE h.patient DROP COLUMN gone, ADD w int DEFAULT 3; UPDATE h.patient SET w = id")
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- replicator.Seed(t.Context(), p.o) }()
	for s := (status.Status{}); s.Phase != status.Following; {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
			s, _ = replicator.ReadStatus(t.Context(), p.o.Dir, "")
		}
	}
	report, err := p.catchup(replicator.CatchupOptions{Acknowledge: "all"}) // the gates have not seen it
	if err != nil || report.Outcome != catchup.Opened {
		t.Fatalf("catch-up: %v", err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	p.compare()
}

// TestStatementsThatAreNotCarried has the job stop at each with exit code 3 and the table's name, and goes
// on after a resync.
func TestStatementsThatAreNotCarried(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), carriedSchema)
	for _, s := range []string{
		"ALTER TABLE h.patient ADD COLUMN r double precision DEFAULT random()",
		"ALTER TABLE h.patient ALTER size TYPE real USING size * 2",
		"DO $$ BEGIN ALTER TABLE h.patient ALTER size TYPE numeric; END $$",
		"ALTER TABLE h.patient RENAME TO person; ALTER TABLE h.person RENAME TO patient; ALTER TABLE h.patient ADD g int GENERATED ALWAYS AS IDENTITY",
	} {
		e := startEngine(t, orders{Options: p.o})
		e.mustReach(p.o.Dir, status.Following)
		p.exec(p.source, "BEGIN; UPDATE h.patient SET size = 4 WHERE id < 10; "+s+"; UPDATE h.patient SET size = 5 WHERE id < 5; COMMIT")
		if <-e.gone; e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), "h.patient") {
			t.Fatalf("%s: engine ended with %d:\n%s", s, e.code, e.out)
		}
		p.mustResync("h.patient")
	}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "ALTER TABLE h.patient ADD COLUMN last int DEFAULT 4; UPDATE h.patient SET last = 5 WHERE id = 1")
	p.mustCatchup()
	<-e.gone
	p.compare()
}

// killedTree has two leaves: a statement on it is noted for each.
const killedTree = `
CREATE TABLE h.visit (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE h.visit_low PARTITION OF h.visit FOR VALUES FROM (0) TO (50);
CREATE TABLE h.visit_high PARTITION OF h.visit FOR VALUES FROM (50) TO (1000);
INSERT INTO h.visit SELECT i FROM generate_series(1, 100) i;`

// TestKilledAtStatements kills the engine around the commit of a statement's transaction, and before the
// plan here takes it in. Each statement is carried once.
func TestKilledAtStatements(t *testing.T) {
	t.Parallel()
	here := []string{"engine: before the plan takes a statement", "engine: the plan has a statement"}
	for name, hooks := range map[string][]string{"near": append([]string{"apply: statement", "apply: before commit", "apply: after commit"}, here...), "far": here} {
		t.Run(name, func(t *testing.T) {
			p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), carriedSchema+killedTree)
			if name == "far" {
				p.far()
			}
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			e.kill()
			for i, hook := range hooks {
				p.exec(p.source, fmt.Sprintf(`BEGIN; INSERT INTO h.patient (id, name) VALUES (%d, 'CANARY-7f3a9'); ALTER TABLE h.patient ADD c%d int DEFAULT %d;
					UPDATE h.patient SET c%d = 0 WHERE id %% 2 = 0; ALTER TABLE h.visit ADD c%d int DEFAULT %d; UPDATE h.visit SET c%d = id; COMMIT`, 1000+i, i, i, i, i, i, i))
				e := startEngine(t, orders{Options: p.o, KillAt: hook, KillNth: 1})
				if <-e.gone; e.code != -1 {
					t.Fatalf("engine was not killed at %q but ended with %d:\n%s", hook, e.code, e.out)
				}
			}
			e = startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			p.mustCatchup()
			<-e.gone
			if n := p.value(p.target, "SELECT count(*) FROM replicator.ddl"); n != fmt.Sprint(3*len(hooks)) {
				t.Errorf("%s statements are noted, not %d", n, 3*len(hooks))
			}
			p.compare()
		})
	}
}

// TestEventTriggersAreLookedFor begins no job without them, nor with those of another version.
func TestEventTriggersAreLookedFor(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY)")
	p.o.DDL = "replicate"
	for what, sql := range map[string]string{
		"none": "", "another version": ddl.Install() + "COMMENT ON FUNCTION replicator.tell_ddl() IS 'other'",
		"disabled": ddl.Install() + "ALTER EVENT TRIGGER replicator_ddl_drop DISABLE",
	} {
		if sql != "" {
			p.exec(p.source, sql)
		}
		if err := replicator.Seed(t.Context(), p.o); fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "event triggers") {
			t.Errorf("%s: %v", what, err)
		}
		for _, s := range ddl.Remove() {
			p.exec(p.source, s)
		}
	}
}

// TestStatementsWithLeastRights carries statements of a role that is no superuser, between versions, with no
// more rights than the printed SQL gives, beside the clinical workload.
func TestStatementsWithLeastRights(t *testing.T) {
	t.Parallel()
	m := newMove(t, 14, 18)
	owner := m.value(m.source, "SELECT tableowner FROM pg_tables WHERE schemaname = 'record' AND tablename = 'patient'")
	m.exec(m.source, `CREATE TABLE record.carried (id int PRIMARY KEY, a text, b varchar(9), c int DEFAULT 1); ALTER TABLE record.carried OWNER TO "`+owner+`";
		INSERT INTO record.carried SELECT i, 'CANARY-7f3a9', i FROM generate_series(1, 300) i; CREATE SCHEMA beside; ALTER SCHEMA beside OWNER TO "`+owner+`";
		CREATE TABLE record.dropped (id serial PRIMARY KEY, carried int REFERENCES record.carried); ALTER TABLE record.dropped OWNER TO "`+owner+`";
		CREATE TABLE record.moved (id serial PRIMARY KEY); ALTER TABLE record.moved OWNER TO "`+owner+`";
		CREATE TABLE record.slot (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT '2026-01-01', note text) PARTITION BY RANGE (id); ALTER TABLE record.slot OWNER TO "`+owner+`";
		CREATE TABLE record.slot_1 PARTITION OF record.slot FOR VALUES FROM (0) TO (100); ALTER TABLE record.slot_1 OWNER TO "`+owner+`";
		CREATE TABLE record.slot_2 PARTITION OF record.slot FOR VALUES FROM (100) TO (1000); ALTER TABLE record.slot_2 OWNER TO "`+owner+`"; ALTER TABLE record.slot_2 ALTER note SET NOT NULL;
		INSERT INTO record.slot SELECT i, '2026-01-01', 'CANARY-7f3a9' FROM generate_series(1, 300) i`)
	m.setUp(source.FenceDatabase)
	m.noSuperuser()
	sql, err := check.SourceSetup(t.Context(), check.SetupOptions{DSN: m.source, DDL: "replicate"})
	if err != nil {
		t.Fatal(err)
	}
	m.psql(m.source, sql)
	m.o.DDL, m.o.LookEvery = "replicate", time.Millisecond
	wards := m.startWards()
	e := startEngine(t, orders{Options: m.o})
	e.mustReach(m.o.Dir, status.Following)
	c := m.connect(m.source)
	defer c.Close()
	for _, sql := range []string{
		`SET ROLE "` + owner + `"`,
		"INSERT INTO record.dropped (carried) VALUES (1); DROP TABLE record.dropped",
		"ALTER TABLE record.moved SET SCHEMA beside; INSERT INTO beside.moved DEFAULT VALUES; ALTER TABLE beside.moved RENAME TO on_and_on; INSERT INTO beside.on_and_on DEFAULT VALUES",
		"ALTER TABLE record.patient ADD COLUMN ward_of_birth text NOT NULL DEFAULT 'none'",
		"ALTER TABLE record.carried ADD d date DEFAULT '2001-02-03', DROP c", "UPDATE record.carried SET d = NULL WHERE id % 2 = 0",
		"ALTER TABLE record.carried RENAME a TO z", "ALTER TABLE record.carried ALTER b TYPE text", "ALTER TABLE record.carried ALTER z SET NOT NULL, ALTER z SET DEFAULT 'q'",
		"ALTER TABLE record.carried ADD g int GENERATED ALWAYS AS (id + 1) STORED", "ALTER TABLE record.carried ADD n int NOT NULL DEFAULT 1",
		"ALTER TABLE record.carried ALTER n DROP DEFAULT, ALTER n ADD GENERATED ALWAYS AS IDENTITY (START WITH 900)",
		"ALTER TABLE record.slot ADD w int NOT NULL DEFAULT 3, ADD u text DEFAULT 'u'", "ALTER TABLE record.slot ALTER u SET NOT NULL", "ALTER TABLE record.slot ALTER u DROP NOT NULL, ALTER u SET DEFAULT 'v'",
		"ALTER TABLE record.slot_1 ALTER u SET NOT NULL", "ALTER TABLE record.slot RENAME note TO said", "ALTER TABLE record.slot ALTER w TYPE bigint",
		"ALTER TABLE record.slot DETACH PARTITION record.slot_1", "INSERT INTO record.slot_1 (id) VALUES (77777)", "DELETE FROM record.slot_1 WHERE id = 77777",
		"ALTER TABLE record.slot ATTACH PARTITION record.slot_1 FOR VALUES FROM (-5) TO (100)", "ALTER TABLE record.slot DETACH PARTITION record.slot_2 CONCURRENTLY", "ALTER TABLE record.slot DROP u",
		"INSERT INTO record.carried (id) VALUES (1000)", "CREATE INDEX carried_z ON record.carried (z)", "ALTER TABLE record.carried ALTER id SET STATISTICS 7",
	} {
		if err := c.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	wards.mustCommit(t, 50)
	report, err := m.catchup(replicator.CatchupOptions{})
	if fault.CodeOf(err) != fault.Preflight || !strings.Contains(fmt.Sprint(err), "settings of table record.carried") || strings.Contains(err.Error(), "record.patient") || strings.Contains(err.Error(), "moved") {
		t.Fatalf("what was not carried is not named: %v %v", report, err)
	}
	if _, err = m.catchup(replicator.CatchupOptions{Acknowledge: "all"}); err != nil {
		t.Fatalf("catch-up: %v", err)
	}
	wards.stop(t)
	<-e.gone
	m.compare()
}

// TestEventTriggersOfEveryVersion has the event triggers tell of statements, and nothing go wrong in them.
func TestEventTriggersOfEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []int{14, 16, 17, 18} {
		dsn, err := ownServer(t, cluster.Config{Version: version}).CreateDatabase(t.Context(), "tells")
		if err != nil {
			t.Fatal(err)
		}
		p := &pair{t: t, source: dsn}
		p.exec(dsn, ddl.Install()+ddl.Install()+carriedSchema+"CREATE PUBLICATION told FOR ALL TABLES")
		p.exec(dsn, "SELECT pg_create_logical_replication_slot('told', 'pgoutput')")
		for _, s := range carriedStatements {
			p.exec(dsn, s)
		}
		p.exec(dsn, killedTree+"CREATE TABLE h.visit_more (id int PRIMARY KEY)")
		for _, s := range []string{"ALTER TABLE h.visit ADD c int", "ALTER TABLE h.visit_more ADD c int", "ALTER TABLE h.visit ATTACH PARTITION h.visit_more FOR VALUES FROM (1000) TO (2000)", "ALTER TABLE h.visit DETACH PARTITION h.visit_more CONCURRENTLY"} {
			p.exec(dsn, s)
		}
		p.exec(dsn, "ALTER TABLE h.patient ALTER size TYPE text; ALTER TABLE h.patient ADD u double precision DEFAULT random(); CREATE TEMP TABLE x (id int); ALTER TABLE x ADD y int; DROP TABLE x; DROP SCHEMA h CASCADE")
		told := p.value(dsn, `SELECT concat(count(*) FILTER (WHERE d LIKE '%"v": 2,%' OR d LIKE '%"v": 2}%'), ' ', count(*) FILTER (WHERE d LIKE '%"failed"%'),
			' ', count(*) FILTER (WHERE d LIKE '%"rewrite"%'), ' ', count(*) FILTER (WHERE d LIKE '%"dropped"%'))
			FROM (SELECT encode(data, 'escape') AS d FROM pg_logical_slot_get_binary_changes('told', NULL, NULL, 'proto_version', '1', 'publication_names', 'told', 'messages', 'true')) c`)
		// Tells: 13 times ALTER TABLE, 2 CREATE INDEX, 2 ALTER TYPE, and 2 ALTER TABLE more; rewrites: size twice,
		// born, the random one; drops: the index, the schema. Of the tree a root and two leaves, a table by itself,
		// and twice the root with what is attached and detached.
		if told != "33 0 4 2" {
			t.Errorf("version %d told %q", version, told)
		}
	}
}

// TestStatementVoidsAProof verifies, has a statement carried, and wants the proof to be void: the gates say so.
func TestStatementVoidsAProof(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), carriedSchema)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	if _, err := replicator.Verify(t.Context(), replicator.VerifyOptions{Dir: p.o.Dir}, func(verify.Event) {}); err != nil {
		t.Fatal(err)
	}
	p.exec(p.source, "ALTER TABLE h.patient DROP COLUMN gone; INSERT INTO h.patient (id) VALUES (1000)")
	report, err := p.catchup(replicator.CatchupOptions{Rehearse: true})
	if err != nil {
		t.Fatal(err)
	}
	void := ""
	for _, g := range report.Gates {
		void += g.Name + ": " + g.Found + "; "
	}
	if !strings.Contains(void, "1 of 1 tables without a proof") {
		t.Errorf("gates: %s", void)
	}
	p.mustCatchup()
	<-e.gone
	p.compare()
}
