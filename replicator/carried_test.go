package replicator_test

import (
	"fmt"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/ddl"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// carrying makes a pair whose source has the event triggers, and a job that has statements carried.
func carrying(t *testing.T, src, tgt *cluster.Cluster, schema string) *pair {
	t.Helper()
	p := newPair(t, src, tgt)
	p.exec(p.source, ddl.Install()+schema)
	p.o.DDL = "replicate"
	return p
}

// TestStatementsAreCarried runs statements of every kind that is carried on tables that are written all the
// time, and opens the target: rows and schema are equal, nothing has stopped, nothing has to be acknowledged.
func TestStatementsAreCarried(t *testing.T) {
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
			for _, s := range ddl.Remove() {
				p.exec(p.source, s)
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

// TestStatementsThatAreNotCarried has the job stop at each with exit code 3 and the table's name, and goes
// on after a resync.
func TestStatementsThatAreNotCarried(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), carriedSchema)
	for _, s := range []string{
		"ALTER TABLE h.patient ADD COLUMN r double precision DEFAULT random()",
		"ALTER TABLE h.patient ALTER size TYPE real USING size * 2",
		"DO $$ BEGIN ALTER TABLE h.patient ALTER size TYPE numeric; END $$",
		"ALTER TABLE h.patient RENAME TO person; ALTER TABLE h.person RENAME TO patient; ALTER TABLE h.patient ADD g int GENERATED ALWAYS AS (id) STORED",
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

// TestKilledAtStatements kills the engine around the commit of a statement's transaction, and before the
// plan here takes it in. Each statement is carried once.
func TestKilledAtStatements(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), carriedSchema)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.kill()
	for i, hook := range []string{"apply: statement", "apply: before commit", "apply: after commit", "engine: before the plan takes a statement", "engine: the plan has a statement"} {
		p.exec(p.source, fmt.Sprintf(`BEGIN; INSERT INTO h.patient (id, name) VALUES (%d, 'CANARY-7f3a9'); ALTER TABLE h.patient ADD c%d int DEFAULT %d;
			UPDATE h.patient SET c%d = 0 WHERE id %% 2 = 0; COMMIT`, 1000+i, i, i, i))
		e := startEngine(t, orders{Options: p.o, KillAt: hook, KillNth: 1})
		if <-e.gone; e.code != -1 {
			t.Fatalf("engine was not killed at %q but ended with %d:\n%s", hook, e.code, e.out)
		}
	}
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	<-e.gone
	p.compare()
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
