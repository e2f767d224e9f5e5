package schema_test

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"replicator/replicator/fault"
	"replicator/replicator/schema"
)

const manyNames = `
	CREATE SCHEMA "Ward 3"; CREATE SCHEMA emr; CREATE SCHEMA emr_old; CREATE SCHEMA "a.b"; CREATE SCHEMA hidden;
	CREATE TABLE public.orders (a int); CREATE TABLE public."Orders" (a int); CREATE TABLE public."or?ers" (a int);
	CREATE TABLE public.order1 (a int); CREATE TABLE public.order2 (a int); CREATE TABLE public."x$y" (a int);
	CREATE TABLE public."x.y" (a int); CREATE TABLE public."q""q" (a int); CREATE TABLE public."arr[]" (a int);
	CREATE TABLE public."ÄRZTE" (a int); CREATE TABLE public."back\slash" (a int);
	CREATE TABLE emr.orders (a int); CREATE TABLE emr.visit (a int); CREATE TABLE emr_old.visit (a int);
	CREATE TABLE "Ward 3".bed (a int); CREATE TABLE "a.b".c (a int); CREATE TABLE hidden.secret (a int);
	CREATE TABLE public.root (k int) PARTITION BY LIST (k);
	CREATE TABLE emr.leaf PARTITION OF public.root FOR VALUES IN (1);
	CREATE VIEW public.viewed AS SELECT 1 AS a`

// TestSelectionIsPgDumps asks pg_dump which tables it would take.
func TestSelectionIsPgDumps(t *testing.T) {
	t.Parallel()
	dsn := database(t, server)
	conn := connect(t, dsn)
	execute(t, conn, manyNames)
	name, err := conn.Value(t.Context(), `SELECT current_database()`)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, conn, `ALTER DATABASE "`+name+`" SET search_path = public, "Ward 3"`)
	for _, sel := range []schema.Selection{
		{},
		{Tables: []string{"orders"}}, {Tables: []string{"ORDERS"}}, {Tables: []string{`"Orders"`}},
		{Tables: []string{"*.orders"}}, {Tables: []string{"emr*.*"}}, {Tables: []string{"emr.*"}},
		{Tables: []string{"order?"}}, {Tables: []string{`"or?ers"`}}, {Tables: []string{"or?ers"}},
		{Tables: []string{"order[12]"}}, {Tables: []string{"order(1|2)"}}, {Tables: []string{"orders|order1"}},
		{Tables: []string{"x$y"}}, {Tables: []string{`"x.y"`}}, {Tables: []string{`x"."y`}}, {Tables: []string{`"q""q"`}},
		{Tables: []string{"arr[]"}}, {Tables: []string{`"arr[]"`}}, {Tables: []string{`"ÄRZTE"`}}, {Tables: []string{`"back\slash"`}},
		{Tables: []string{`"a.b".c`}}, {Tables: []string{`"a.b".*`}}, {Tables: []string{"bed"}}, {Tables: []string{`"Ward 3".bed`}},
		{Tables: []string{name + ".emr.visit"}}, {Tables: []string{"root"}}, {Tables: []string{"emr.leaf"}},
		{Tables: []string{"*"}}, {Tables: []string{"*.*"}}, {Tables: []string{"emr.*", "order(s|1)"}},
		{Tables: []string{"visit|emr.visit", "bed"}}, {Tables: []string{"viewed", "orders"}},
		{Tables: []string{"*.*"}, ExcludeTables: []string{"emr*.*", "order*"}},
		{Tables: []string{"emr.visit"}, Schemas: []string{"public"}, ExcludeSchemas: []string{"emr"}},
		{Schemas: []string{"emr"}}, {Schemas: []string{"emr*"}}, {Schemas: []string{`"Ward 3"`, "hidden"}},
		{Schemas: []string{`"a.b"`}}, {Schemas: []string{"EMR?OLD"}},
		{Schemas: []string{"emr*"}, ExcludeSchemas: []string{"emr"}}, {ExcludeSchemas: []string{"public", "nothing"}},
		{Schemas: []string{"emr"}, ExcludeTables: []string{"emr.v*"}}, {ExcludeTables: []string{"*.orders", `"Orders"`, "bed"}},
		{ExcludeTables: []string{"root"}}, {ExcludeTables: []string{"secret"}},
	} {
		tables, err := schema.Tables(t.Context(), conn, sel)
		if err != nil {
			t.Errorf("%+v: %v", sel, err)
			continue
		}
		have := []string{}
		for i := range tables {
			have = append(have, tables[i].String())
		}
		slices.Sort(have)
		if want := dumped(t, dsn, sel); !reflect.DeepEqual(have, want) {
			t.Errorf("%+v:\nhave %q\nwant %q", sel, have, want)
		}
	}
}

var tableHeader = regexp.MustCompile(`(?m)^-- Name: (.*); Type: TABLE; Schema: (.*); Owner: .*$`)

// dumped is what pg_dump takes for ordinary tables; root is its partitioned table.
func dumped(t *testing.T, dsn string, sel schema.Selection) []string {
	t.Helper()
	args := append([]string{"--schema-only", "--dbname=" + dsn}, sel.Args()...)
	out, err := exec.CommandContext(t.Context(), filepath.Join(server.BinDir(), "pg_dump"), args...).Output()
	if err != nil {
		t.Fatalf("pg_dump %+v: %v", sel, err)
	}
	names := []string{}
	for _, m := range tableHeader.FindAllStringSubmatch(string(out), -1) {
		if m[1] != "root" {
			names = append(names, m[2]+"."+m[1])
		}
	}
	slices.Sort(names)
	return names
}

func TestSelectionRefused(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t, server))
	execute(t, conn, manyNames)
	for _, sel := range []schema.Selection{
		{Tables: []string{"orders", "ordres"}}, {Tables: []string{"Orders|visit.x"}}, {Tables: []string{"secret"}},
		{Tables: []string{"a.b.c.d"}}, {Tables: []string{"other.emr.visit"}}, {Schemas: []string{"x.emr"}},
		{Schemas: []string{"x.y.z"}}, {Schemas: []string{"nosuch"}}, {Tables: []string{"("}}, {ExcludeTables: []string{"["}},
	} {
		_, err := schema.Tables(t.Context(), conn, sel)
		if fault.CodeOf(err) != fault.Usage {
			t.Errorf("%+v: want a usage error, have %v", sel, err)
		}
	}
	if _, err := schema.Tables(t.Context(), conn, schema.Selection{}); err != nil {
		t.Errorf("session unusable after refusals: %v", err)
	}
}
