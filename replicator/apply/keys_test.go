package apply

import (
	"fmt"
	"strings"
	"testing"

	"replicator/replicator/fault"
)

// TestKeys runs statements on the source, one transaction each, and applies them as one window.
func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		name, schema, rows string
		sql                []string
		replays            bool // the set path cannot do it
	}{
		{name: "move", schema: "CREATE TABLE a (k int PRIMARY KEY, v text)", rows: "INSERT INTO a VALUES (1, 'x'), (2, 'y')",
			sql: []string{"UPDATE a SET k = 3 WHERE k = 1", "UPDATE a SET v = 'z' WHERE k = 3", "UPDATE a SET k = 1 WHERE k = 2"}},
		{name: "swap by a third", schema: "CREATE TABLE a (k int PRIMARY KEY, v text)", rows: "INSERT INTO a VALUES (1, 'x'), (2, 'y')",
			sql: []string{"BEGIN; UPDATE a SET k = 0 WHERE k = 1; UPDATE a SET k = 1 WHERE k = 2; UPDATE a SET k = 2 WHERE k = 0; COMMIT"}},
		{name: "shift all", schema: "CREATE TABLE a (k int PRIMARY KEY, v text)", rows: "INSERT INTO a SELECT g, g FROM generate_series(1, 100) g",
			sql: []string{"DO 'BEGIN FOR i IN REVERSE 100..1 LOOP UPDATE a SET k = k + 1 WHERE k = i; END LOOP; END'"}},
		{name: "there and back", schema: "CREATE TABLE a (k int PRIMARY KEY, v text)", rows: "INSERT INTO a VALUES (1, 'x')",
			sql: []string{"UPDATE a SET k = 2", "UPDATE a SET k = 1", "UPDATE a SET v = 'y'", "INSERT INTO a VALUES (2, 'z')", "DELETE FROM a WHERE k = 2"}},
		{name: "unique value moves between rows", schema: "CREATE TABLE a (k int PRIMARY KEY, u int UNIQUE)", rows: "INSERT INTO a VALUES (1, 10), (2, 20)",
			sql: []string{"UPDATE a SET u = 0 WHERE k = 1", "UPDATE a SET u = 10 WHERE k = 2", "UPDATE a SET u = 20 WHERE k = 1"}, replays: true},
		{name: "unique value of a deleted row", schema: "CREATE TABLE a (k int PRIMARY KEY, u int UNIQUE)", rows: "INSERT INTO a VALUES (1, 10), (2, 20)",
			sql: []string{"DELETE FROM a WHERE k = 1", "UPDATE a SET u = 10 WHERE k = 2", "INSERT INTO a VALUES (1, 20)"}},
		{name: "deferrable unique swap", schema: "CREATE TABLE a (k int PRIMARY KEY, u int UNIQUE DEFERRABLE)", rows: "INSERT INTO a VALUES (1, 10), (2, 20)",
			sql: []string{"UPDATE a SET u = 30 - u"}},
		{name: "deferred unique swap with a key change", schema: "CREATE TABLE a (k int PRIMARY KEY, u int UNIQUE DEFERRABLE INITIALLY DEFERRED)", rows: "INSERT INTO a VALUES (1, 10), (2, 20)",
			sql: []string{"BEGIN; UPDATE a SET u = 20 WHERE k = 1; UPDATE a SET u = 10, k = 3 WHERE k = 2; COMMIT"}},
		{name: "exclusion constraint", schema: "CREATE TABLE a (k int PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&))", rows: "INSERT INTO a VALUES (1, '[1,5)'), (2, '[5,9)')",
			sql: []string{"UPDATE a SET r = 'empty' WHERE k = 1", "UPDATE a SET r = '[1,9)' WHERE k = 2"}},
		{name: "exclusion moves", schema: "CREATE TABLE a (k int PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&))", rows: "INSERT INTO a VALUES (1, '[1,5)'), (2, '[5,9)')",
			sql: []string{"UPDATE a SET r = '[20,25)' WHERE k = 1", "UPDATE a SET r = '[1,5)' WHERE k = 2", "UPDATE a SET r = '[5,9)' WHERE k = 1"}, replays: true},
		{name: "spellings of one number", schema: "CREATE TABLE a (k numeric PRIMARY KEY, v int)", rows: "INSERT INTO a VALUES (1.0, 1), (2, 2)",
			sql: []string{"UPDATE a SET k = 1.00 WHERE k = 1", "DELETE FROM a WHERE k = 1", "INSERT INTO a VALUES (1.000, 3)", "UPDATE a SET v = 4", "UPDATE a SET k = 2.0 WHERE k = 2",
				"DELETE FROM a WHERE k = 1", "INSERT INTO a VALUES (1, 5)"}},
		{name: "minus zero and NaN", schema: "CREATE TABLE a (k float8 PRIMARY KEY, v int)", rows: "INSERT INTO a VALUES ('-0', 1), ('NaN', 2)",
			sql: []string{"UPDATE a SET k = 0 WHERE k = 0", "UPDATE a SET v = 3", "DELETE FROM a WHERE k = 'NaN'", "INSERT INTO a VALUES ('NaN', 5)"}},
		{name: "citext", schema: "CREATE EXTENSION citext; CREATE TABLE a (k citext PRIMARY KEY, v int)", rows: "INSERT INTO a VALUES ('Ward', 1), ('b', 2)",
			sql: []string{"UPDATE a SET k = 'WARD' WHERE k = 'ward'", "UPDATE a SET v = 9", "DELETE FROM a WHERE k = 'WARD'", "INSERT INTO a VALUES ('ward', 1)"}},
		{name: "nondeterministic collation", schema: `CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
			CREATE TABLE a (k text COLLATE ci PRIMARY KEY, v int)`, rows: "INSERT INTO a VALUES ('Ward', 1), ('b', 2)",
			sql: []string{"UPDATE a SET k = 'WARD' WHERE k = 'ward'", "UPDATE a SET v = 9", "DELETE FROM a WHERE k = 'WARD'", "INSERT INTO a VALUES ('ward', 1)"}},
		{name: "composite key", schema: `CREATE TABLE a ("a ""b" text, n int, v int, PRIMARY KEY (n, "a ""b"))`, rows: "INSERT INTO a VALUES ('x', 1, 1), ('', 2, 2)",
			sql: []string{`UPDATE a SET "a ""b" = 'y' WHERE n = 1`, "UPDATE a SET v = v + 1", "UPDATE a SET n = 5 WHERE n = 2", "DELETE FROM a WHERE n = 5"}},
		{name: "array and composite type keys", schema: `CREATE TYPE c AS (x int, y text); CREATE TABLE a (k int[], c c, v int, PRIMARY KEY (k, c))`,
			rows: "INSERT INTO a VALUES ('{1,2}', '(1,x)', 1), ('{}', '(2,y)', 2)",
			sql:  []string{"UPDATE a SET v = v + 1", "UPDATE a SET k = '{3}' WHERE v = 2", "DELETE FROM a WHERE v = 3"}},
		{name: "key only", schema: "CREATE TABLE a (k int PRIMARY KEY)", rows: "INSERT INTO a VALUES (1), (2)",
			sql: []string{"UPDATE a SET k = k", "UPDATE a SET k = 9 WHERE k = 1", "DELETE FROM a WHERE k = 2", "INSERT INTO a VALUES (2)"}},
		{name: "identity always", schema: "CREATE TABLE a (k int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * 2) STORED, w int)",
			rows: "INSERT INTO a (v) VALUES (1), (2)",
			sql:  []string{"UPDATE a SET v = 3 WHERE k = 1", "INSERT INTO a (v, w) SELECT g, g FROM generate_series(1, 50) g", "INSERT INTO a (v) VALUES (7)", "DELETE FROM a WHERE v = 2"}},
		{name: "another unique index as identity", schema: "CREATE TABLE a (id int PRIMARY KEY, k text NOT NULL, v int); CREATE UNIQUE INDEX ak ON a (k); ALTER TABLE a REPLICA IDENTITY USING INDEX ak",
			rows: "INSERT INTO a VALUES (1, 'a', 1), (2, 'b', 2)",
			sql:  []string{"UPDATE a SET id = 3 WHERE id = 1", "UPDATE a SET id = 1 WHERE id = 2", "UPDATE a SET k = 'c' WHERE k = 'a'", "DELETE FROM a WHERE k = 'b'"}},
		{name: "identity full with a key", schema: "CREATE TABLE a (k int PRIMARY KEY, v text); ALTER TABLE a REPLICA IDENTITY FULL", rows: "INSERT INTO a VALUES (1, 'a'), (2, NULL)",
			sql: []string{"UPDATE a SET v = 'b'", "UPDATE a SET k = 3 WHERE k = 1", "DELETE FROM a WHERE k = 2", "INSERT INTO a VALUES (2, 'n')"}},
		{name: "quoted names, inheritance", schema: `CREATE SCHEMA ward; CREATE TABLE ward."Bed ""1" ("Key" int PRIMARY KEY, "t" text, "u" text); CREATE TABLE ward.kid ("x" int, PRIMARY KEY ("Key")) INHERITS (ward."Bed ""1")`,
			rows: `INSERT INTO ward."Bed ""1" VALUES (1, 'a', 'b'); INSERT INTO ward.kid VALUES (1, 'c', 'd', 2)`,
			sql:  []string{`UPDATE ward."Bed ""1" SET "t" = 'z'`, `DELETE FROM ONLY ward."Bed ""1"`, `INSERT INTO ward."Bed ""1" VALUES (2, 'q', 'r')`}},
		{name: "columns in another order, dropped ones", schema: "CREATE TABLE a (gone int, k int PRIMARY KEY, v text); ALTER TABLE a DROP COLUMN gone; ALTER TABLE a ADD COLUMN w int DEFAULT 7",
			rows: "INSERT INTO a VALUES (1, 'a')", sql: []string{"UPDATE a SET v = 'b', w = NULL", "INSERT INTO a SELECT g, g FROM generate_series(2, 40) g"}},
		{name: "generated column and no other", schema: "CREATE TABLE a (k int PRIMARY KEY, g int GENERATED ALWAYS AS (k + 1) STORED)", rows: "INSERT INTO a VALUES (1)",
			sql: []string{"UPDATE a SET k = 2", "INSERT INTO a VALUES (5)"}},
		{name: "insert, delete, insert", schema: "CREATE TABLE a (k int PRIMARY KEY, v text)", rows: "INSERT INTO a VALUES (1, 'x')",
			sql: []string{"DELETE FROM a", "INSERT INTO a VALUES (1, 'y')", "DELETE FROM a", "INSERT INTO a VALUES (1, 'z')", "INSERT INTO a VALUES (2, 'q')", "DELETE FROM a WHERE k = 2"}},
		{name: "foreign key order", schema: "CREATE TABLE a (k int PRIMARY KEY); CREATE TABLE b (k int PRIMARY KEY, a int REFERENCES a)", rows: "INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1)",
			sql: []string{"BEGIN; INSERT INTO a VALUES (2); INSERT INTO b VALUES (2, 2); UPDATE b SET a = 2; DELETE FROM a WHERE k = 1; COMMIT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, tt.schema)
			p.both(tt.rows)
			p.source(tt.sql...)
			recs := p.pull(true)
			p.applied(recs)
			p.same()
			if have := p.replays() > 0; have != tt.replays {
				t.Errorf("replayed: %v, want %v\n%s", have, tt.replays, p.log.String())
			}
			if pos := p.position(); pos == 0 {
				t.Error("position did not move")
			}
			res := p.applied(recs) // a second time: all of it is below the position
			if res.Changes != 0 || res.Transactions != 0 {
				t.Errorf("applied twice: %+v", res)
			}
			p.same()
		})
	}
}

// TestSmallWindows has transactions that are larger than a window.
func TestSmallWindows(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, u int UNIQUE, v text); CREATE TABLE log (x int); ALTER TABLE log REPLICA IDENTITY FULL")
			p.both("INSERT INTO a SELECT g, g, 'x' FROM generate_series(1, 20) g; INSERT INTO log SELECT g % 3 FROM generate_series(1, 20) g")
			p.cfg.Limits.Changes = n
			p.source("BEGIN; UPDATE a SET u = u + 100; UPDATE a SET u = 500 - u; INSERT INTO a SELECT g, g, g FROM generate_series(21, 60) g; DELETE FROM log WHERE x = 1; COMMIT",
				"INSERT INTO log VALUES (1), (1)", "BEGIN; DELETE FROM a WHERE k % 7 = 0; TRUNCATE log; INSERT INTO log VALUES (5); SAVEPOINT s; DELETE FROM a; ROLLBACK TO s; COMMIT")
			res := p.apply()
			p.same()
			if res.Transactions != 3 || res.Applied != p.position() {
				t.Errorf("have %+v, position %s", res, p.position())
			}
		})
	}
}

func TestMismatchStops(t *testing.T) {
	const canary = "Maria Canary Rossi"
	// In replica mode the server does not check deferrable constraints at all, so "deferred" runs
	// without it.
	for _, tt := range []struct{ name, schema, plant, sql, want string }{
		{"extra row", "CREATE TABLE a (k int PRIMARY KEY, v text)", "INSERT INTO a VALUES (2, '" + canary + "')", "INSERT INTO a VALUES (2, '" + canary + "')", "23505 (unique_violation) table public.a constraint a_pkey"},
		{"unique", "CREATE TABLE a (k int PRIMARY KEY, v text UNIQUE)", "INSERT INTO a VALUES (3, '" + canary + "')", "INSERT INTO a VALUES (2, '" + canary + "')", "23505 (unique_violation) table public.a constraint a_v_key"},
		{"check", "CREATE TABLE a (k int PRIMARY KEY, v text)", "ALTER TABLE a ADD CHECK (v NOT LIKE 'Maria%')", "INSERT INTO a VALUES (2, '" + canary + "')", "23514"},
		{"deferred", "CREATE TABLE a (k int PRIMARY KEY, v text UNIQUE DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO a VALUES (3, '" + canary + "')", "INSERT INTO a VALUES (2, '" + canary + "')", "23505"},
		{"enum label", "CREATE TYPE e AS ENUM ('x'); CREATE TABLE a (k int PRIMARY KEY, v e)", "SELECT", "ALTER TYPE e ADD VALUE '" + canary + "'; INSERT INTO a VALUES (2, '" + canary + "')", "22P02"},
	} {
		for _, limit := range []int{1000, 1} {
			t.Run(fmt.Sprintf("%s %d", tt.name, limit), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, tt.schema)
				p.on(p.dst, tt.plant)
				p.cfg.Limits.Changes = limit
				if tt.name == "deferred" {
					p.role = "origin"
				}
				p.source("INSERT INTO a VALUES (1)")
				sql := strings.Split(tt.sql, "; ")
				p.source(sql[:len(sql)-1]...)
				if limit > 1 {
					p.apply()
				}
				before := p.position()
				p.source(sql[len(sql)-1], "INSERT INTO a VALUES (4)")
				_, err := p.try(p.pull(true))
				code := fault.Mismatch
				if tt.want == "22P02" {
					code = fault.Preflight // the row is right, the type is older
				}
				if fault.CodeOf(err) != code || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "committed ") {
					t.Fatalf("have %v (code %d), want %q", err, fault.CodeOf(err), tt.want)
				}
				if limit > 1 && p.position() != before {
					t.Errorf("position moved from %s to %s", before, p.position())
				}
				if n := query(t, p.dst, "SELECT count(*) FROM a WHERE k = 4")[0][0]; n != "0" {
					t.Error("a later transaction was applied")
				}
				if strings.Contains(err.Error()+p.log.String(), "Canary") {
					t.Errorf("a value got out: %v\n%s", err, p.log.String())
				}
			})
		}
	}
}

func TestMissed(t *testing.T) {
	p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, v text); CREATE TABLE f (v text); ALTER TABLE f REPLICA IDENTITY FULL")
	p.source("INSERT INTO a SELECT g FROM generate_series(1, 10) g", "INSERT INTO f VALUES ('x'), ('y')")
	p.apply()
	p.on(p.dst, "DELETE FROM a WHERE k IN (1, 2, 3); DELETE FROM f WHERE v = 'x'")
	p.source("UPDATE a SET v = 'q' WHERE k < 3", "DELETE FROM a WHERE k IN (3, 4)", "UPDATE f SET v = v || '!'")
	res, err := p.try(p.pull(true))
	if err != nil {
		t.Fatal(err)
	}
	if res.Missed[0] != 3 || res.Missed[1] != 1 {
		t.Errorf("have %v", res.Missed)
	}
	if n := strings.Count(p.log.String(), "found no row"); n != 2 {
		t.Errorf("%d warnings:\n%s", n, p.log.String())
	}
}
