package schema_test

import (
	"slices"
	"strings"
	"testing"

	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// kinds are the statements that change a table, and what is said of each. No row is written by any of
// them but where the statement itself does, so the stream shows none. "" is a statement that changes
// nothing of the rows and their columns; ! marks those that end a job that follows.
var kinds = []struct{ sql, want string }{
	{`ALTER TABLE t ADD w int`, "!ADD COLUMN on table public.t: w integer"},
	{`ALTER TABLE t ADD w int DEFAULT 7`, "!ADD COLUMN"},
	{`ALTER TABLE t ADD w uuid DEFAULT gen_random_uuid()`, "!ADD COLUMN"},
	{`ALTER TABLE t DROP v`, "!DROP COLUMN on table public.t: v; was (id integer, v character varying(10), n numeric(10,2)), is (id integer, n numeric(10,2))"},
	{`ALTER TABLE t DROP v; ALTER TABLE t ADD v varchar(10)`, "!DROP COLUMN on table public.t: v, and another one was added under its name"},
	{`ALTER TABLE t RENAME v TO w`, "!RENAME COLUMN on table public.t: v to w"},
	{`ALTER TABLE t RENAME v TO x; ALTER TABLE t RENAME n TO v; ALTER TABLE t RENAME x TO n`, "!RENAME COLUMN"},
	{`ALTER TABLE t ALTER v TYPE text`, "!ALTER COLUMN TYPE on table public.t: v from character varying(10) to text"},
	{`ALTER TABLE t ALTER v TYPE varchar(20)`, "!ALTER COLUMN TYPE"},
	{`ALTER TABLE t ALTER n TYPE numeric(12,3)`, "!ALTER COLUMN TYPE"},
	{`ALTER TABLE t ALTER n TYPE numeric(10,2) USING n * 100`, "!ALTER COLUMN TYPE ... USING"},
	{`ALTER TABLE t ALTER v SET NOT NULL`, "!ALTER COLUMN SET NOT NULL on table public.t: v"},
	{`ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ALTER id DROP NOT NULL`, "!ALTER COLUMN DROP NOT NULL"},
	{`ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY`, "!ALTER COLUMN IDENTITY"},
	{`ALTER TABLE t ADD g int GENERATED ALWAYS AS (id * 2) STORED`, "!ALTER TABLE of generated columns"},
	{`ALTER TABLE gen DROP g; ALTER TABLE gen ADD g int GENERATED ALWAYS AS (id * 3) STORED`, "!ALTER TABLE of generated columns"},
	{`ALTER TABLE t RENAME TO s`, "!RENAME TO on table public.t: it is now called public.s"},
	{`CREATE SCHEMA away; ALTER TABLE t SET SCHEMA away`, "!SET SCHEMA on table public.t: it is now called away.t"},
	{`DROP TABLE t`, "!DROP TABLE on table public.t"},
	{`DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v varchar(10), n numeric(10,2))`, "!DROP TABLE on table public.t: and another one was made under its name"},
	{`ALTER TABLE t DROP CONSTRAINT t_pkey`, "!REPLICA IDENTITY on table public.t: it has no key any more"},
	{`ALTER TABLE t REPLICA IDENTITY NOTHING`, "!REPLICA IDENTITY"},
	{`ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t REPLICA IDENTITY FULL`, "!REPLICA IDENTITY on table public.t: it is full, and nothing keeps its key unique"},
	{`ALTER TABLE t ALTER v SET NOT NULL; ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (v)`, "REPLICA IDENTITY on table public.t: the key was (id), is (v)"},
	{`ALTER TABLE f REPLICA IDENTITY DEFAULT`, "!REPLICA IDENTITY"},
	{`ALTER TABLE t SET UNLOGGED`, "!SET UNLOGGED"}, // refused by the server once the table is published
	{`ALTER TABLE u SET LOGGED`, "SET LOGGED"},
	{`ALTER TABLE tree DETACH PARTITION leaf`, "!DETACH PARTITION on table public.leaf: from public.tree"},
	{`ALTER TABLE tree ATTACH PARTITION alone FOR VALUES FROM (10) TO (20)`, "!ATTACH PARTITION on table public.alone: to public.tree"},
	{`ALTER TABLE tree DETACH PARTITION leaf; ALTER TABLE tree ATTACH PARTITION leaf FOR VALUES FROM (0) TO (10)`, "!ATTACH PARTITION on table public.leaf: to public.tree with another bound"},
	{`ALTER TABLE deep DETACH PARTITION mid`, "!ATTACH PARTITION on table public.low: to public.mid with another bound, or that to another"},
	{`ALTER TABLE deep RENAME TO deeper`, "!ATTACH PARTITION on table public.low"},
	{`ALTER TABLE tree ADD w int`, "!ADD COLUMN on table public.leaf"},
	{`ALTER TABLE child NO INHERIT parent`, "!INHERIT"},
	{`ALTER TABLE parent ADD w int`, "!ADD COLUMN on table public.child"},

	{`ALTER TABLE t REPLICA IDENTITY FULL`, ""},
	{`TRUNCATE t`, ""}, // is in the stream
	{`CLUSTER t USING t_pkey`, ""},
	{`ALTER TABLE t ALTER v SET STATISTICS 500`, ""},
	{`CREATE INDEX ON t (v)`, ""},
	{`ALTER TABLE t ADD CHECK (n > -1000)`, ""},
	{`ALTER TABLE t ALTER v SET DEFAULT 'x'`, ""},
	{`GRANT SELECT (v) ON t TO PUBLIC`, ""},
	{`ANALYZE t`, ""},
	{`ALTER TABLE t SET (fillfactor = 70)`, ""},
}

const kindsSchema = `
CREATE TABLE t (id int PRIMARY KEY, v varchar(10), n numeric(10,2));
INSERT INTO t SELECT i, i, i FROM generate_series(1, 9) i;
CREATE TABLE f (v int); ALTER TABLE f REPLICA IDENTITY FULL;
CREATE UNLOGGED TABLE u (id int PRIMARY KEY);
CREATE TABLE gen (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE tree (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE leaf PARTITION OF tree FOR VALUES FROM (1) TO (10);
CREATE TABLE deep (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE mid PARTITION OF deep FOR VALUES FROM (1) TO (10) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF mid FOR VALUES FROM (1) TO (5);
CREATE TABLE alone (id int PRIMARY KEY);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);`

// TestLookKinds runs every kind of statement and wants it named, and none but those that matter.
func TestLookKinds(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t, server))
	execute(t, conn, "SET search_path = public; "+kindsSchema)
	tables := planned(t, conn)
	if changes, _, err := schema.Look(t.Context(), conn, tables, map[int]schema.Mark{}); err != nil || len(changes) > 0 {
		t.Fatalf("before: %v, %v", changes, err)
	}
	for _, k := range kinds {
		t.Run(k.sql, func(t *testing.T) {
			execute(t, conn, "BEGIN")
			defer execute(t, conn, "ROLLBACK")
			onPublic(t, conn, k.sql)
			changes, _, err := schema.Look(t.Context(), conn, tables, map[int]schema.Mark{})
			if err != nil {
				t.Fatal(err)
			}
			want, rows := strings.CutPrefix(k.want, "!")
			said := slices.ContainsFunc(changes, func(c schema.Change) bool { return strings.Contains(c.String(), want) && (c.Rows || !rows) })
			if want == "" && len(changes) > 0 || want != "" && !said {
				t.Errorf("have %v, want %s", changes, k.want)
			}
			if ends := slices.ContainsFunc(changes, func(c schema.Change) bool { return c.Rows }); !rows && ends && !strings.HasPrefix(want, "REPLICA IDENTITY") {
				t.Errorf("it ends the job: %v", changes)
			}
		})
	}
}

// TestLookForgetsHarmlessMarks rewrites a table one day and alters a column the next: that is no
// rewrite of its rows. Both at once may be one.
func TestLookForgetsHarmlessMarks(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t, server))
	execute(t, conn, "SET search_path = public; "+kindsSchema)
	tables, known := planned(t, conn), map[int]schema.Mark{}
	// All of the database, its catalogs too: every file is another, every version as it was.
	execute(t, conn, "VACUUM (FULL, FREEZE)")
	if changes, moved, err := schema.Look(t.Context(), conn, tables, known); err != nil || len(changes) > 0 || !moved {
		t.Fatalf("after all was rewritten: %v, moved %t, %v", changes, moved, err)
	}
	for _, sql := range []string{"VACUUM FULL t", "ALTER TABLE t ALTER v SET STATISTICS 200", "VACUUM FULL t"} {
		onPublic(t, conn, sql)
		changes, moved, err := schema.Look(t.Context(), conn, tables, known)
		if err != nil || len(changes) > 0 || !moved {
			t.Fatalf("after %s: %v, moved %t, %v", sql, changes, moved, err)
		}
	}
	onPublic(t, conn, "ALTER TABLE t ALTER n TYPE numeric(10,2) USING n + 1")
	if changes, _, err := schema.Look(t.Context(), conn, tables, known); err != nil || len(changes) != 1 || !changes[0].Rows {
		t.Errorf("a rewrite: %v, %v", changes, err)
	}
}

// TestLookWithoutMarks holds the plan of an older version, which knows neither numbers nor marks,
// against tables as they are.
func TestLookWithoutMarks(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t, server))
	execute(t, conn, "SET search_path = public; "+kindsSchema)
	tables := planned(t, conn)
	for i := range tables {
		p := &tables[i]
		p.Above, p.Generated, p.File, p.Altered = "", "", 0, ""
		for c := range p.Columns {
			p.Columns[c].Num = 0
		}
	}
	if changes, moved, err := schema.Look(t.Context(), conn, tables, map[int]schema.Mark{}); err != nil || len(changes) > 0 || moved {
		t.Fatalf("%v, moved %t, %v", changes, moved, err)
	}
	onPublic(t, conn, "ALTER TABLE t RENAME v TO w")
	if changes, _, err := schema.Look(t.Context(), conn, tables, map[int]schema.Mark{}); err != nil || len(changes) != 2 {
		t.Errorf("renamed column: %v, %v", changes, err)
	}
}

// onPublic runs statements one by one, as VACUUM wants it, where names are found in schema public.
func onPublic(t *testing.T, conn *pg.Conn, sql string) {
	t.Helper()
	execute(t, conn, "SET search_path = public")
	for one := range strings.SplitSeq(sql, "; ") {
		execute(t, conn, one)
	}
}

func planned(t *testing.T, conn *pg.Conn) []chunker.Table {
	t.Helper()
	tables, err := schema.Tables(t.Context(), conn, schema.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}
