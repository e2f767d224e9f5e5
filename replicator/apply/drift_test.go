package apply

import (
	"strings"
	"testing"

	"replicator/replicator/fault"
)

func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		name, ddl, sql string
		target         string // on the target in place of ddl on the source
		want           string
	}{
		{name: "column added", ddl: "ALTER TABLE a ADD w int", sql: "INSERT INTO a VALUES (5, 'x', 1)", want: "source has (k integer, v character varying(10), w (type 23)), target has (k integer, v character varying(10))"},
		{name: "column dropped", ddl: "ALTER TABLE a DROP v", sql: "INSERT INTO a VALUES (5)", want: "source has (k integer), target has (k integer, v"},
		{name: "column renamed", ddl: "ALTER TABLE a RENAME v TO w", sql: "UPDATE a SET w = 'z'", want: "source has (k integer, w (type 1043))"},
		{name: "type changed", ddl: "ALTER TABLE a ALTER v TYPE text", sql: "UPDATE a SET v = 'z'", want: "v (type 25)"},
		{name: "length changed", ddl: "ALTER TABLE a ALTER v TYPE varchar(20)", sql: "UPDATE a SET v = 'z'", want: "source integer, character varying(20); target integer, character varying(10)"},
		{name: "identity changed", ddl: "CREATE UNIQUE INDEX x ON a (v); ALTER TABLE a ALTER v SET NOT NULL; ALTER TABLE a REPLICA IDENTITY USING INDEX x", sql: "UPDATE a SET v = 'z' WHERE k = 1", want: "key column k is no longer part"},
		{name: "table renamed", ddl: "ALTER TABLE a RENAME TO b", sql: "UPDATE b SET v = 'z'", want: "table public.a is now called public.b"},
		{name: "table made again", ddl: "DROP TABLE a; CREATE TABLE a (k int PRIMARY KEY, v varchar(10))", sql: "INSERT INTO a VALUES (5, 'x')", want: "dropped and made again"},
		{name: "new table", ddl: "CREATE TABLE n (k int)", sql: "INSERT INTO n VALUES (5)", want: "public.n, which the job does not follow"},
		{name: "full no more", ddl: "ALTER TABLE f REPLICA IDENTITY NOTHING", sql: "INSERT INTO f VALUES (5)", want: "no longer full"},
		{name: "target column added", target: "ALTER TABLE a ADD w int", sql: "UPDATE a SET v = 'z'", want: "target has (k integer, v character varying(10), w integer)"},
		{name: "target type changed", target: "ALTER TABLE a ALTER v TYPE text", sql: "UPDATE a SET v = 'z'", want: "target has (k integer, v text)"},
		{name: "target table gone", target: "DROP TABLE a", sql: "UPDATE a SET v = 'z'", want: "target has ()"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, v varchar(10)); CREATE TABLE c (k int PRIMARY KEY); CREATE TABLE f (v int); ALTER TABLE f REPLICA IDENTITY FULL")
			p.both("INSERT INTO a VALUES (1, 'x')")
			p.source("INSERT INTO c VALUES (1)")
			if tt.target == "" {
				p.source("INSERT INTO a VALUES (2, 'y')", tt.ddl)
			} else {
				p.on(p.dst, tt.target)
			}
			p.source("BEGIN; INSERT INTO c VALUES (2); "+tt.sql+"; COMMIT", "INSERT INTO c VALUES (3)")
			_, err := p.try(p.pull(true))
			if fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), tt.want) || fault.HintOf(err) == "" {
				t.Fatalf("have %v (code %d)\nwant %s", err, fault.CodeOf(err), tt.want)
			}
			have := query(t, p.dst, "SELECT string_agg(k::text, ',') FROM c")[0][0]
			if have != "1" {
				t.Errorf("table c has %s on the target, want the first transaction only", have)
			}
		})
	}
}

// TestHarmlessDDL changes what does not matter to the rows.
func TestHarmlessDDL(t *testing.T) {
	p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, v int); CREATE TABLE f (v int); ALTER TABLE f REPLICA IDENTITY FULL")
	p.both("INSERT INTO a VALUES (1, 1); INSERT INTO f VALUES (1)")
	p.source("UPDATE a SET v = 2", "ALTER TABLE a REPLICA IDENTITY FULL", "UPDATE a SET v = 3", "ALTER TABLE a ALTER v SET NOT NULL",
		"ALTER TABLE a REPLICA IDENTITY DEFAULT", "UPDATE a SET k = 2", "VACUUM FULL a", "CREATE INDEX ON f (v)", "UPDATE a SET v = 4", "DELETE FROM f")
	p.apply()
	p.same()
}

// TestOpaqueTypes refuses binary values that would arrive as another database's object numbers.
func TestOpaqueTypes(t *testing.T) {
	p := newPair(t, "CREATE TYPE c AS (n int, r regclass[]); CREATE TABLE a (k int PRIMARY KEY, c c)")
	p.source("INSERT INTO a VALUES (1, '(1,{a})')")
	recs := p.pull(true)
	_, err := p.try(recs)
	if fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "column c") {
		t.Fatalf("have %v", err)
	}
	p.source("INSERT INTO a VALUES (2, '(2,{a_pkey})')")
	p.applied(p.pull(false))
	if have := query(t, p.dst, "SELECT c::text FROM a WHERE k = 2")[0][0]; !strings.Contains(have, "a_pkey") {
		t.Errorf("have %s", have)
	}
}
