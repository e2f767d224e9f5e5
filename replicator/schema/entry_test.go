package schema

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestLexer(t *testing.T) {
	for _, tc := range []struct{ sql, want string }{
		{`SELECT 1; SELECT 2`, `SELECT 1|SELECT 2`},
		{`SELECT ';''; '; SELECT E'\'; '; x`, `SELECT ';''; '|SELECT E'\'; '|x`},
		{`SELECT '\'; x`, `SELECT '\'|x`},
		{`SELECT ";""; "; x`, `SELECT ";""; "|x`},
		{`a $$;$$; b $x$;$$;$x$; c $1;d$e$;f`, `a $$;$$|b $x$;$$;$x$|c $1|d$e$|f`},
		{"a /* ; /* ; */ ; */; b -- ; '\n;c", "a /* ; /* ; */ ; */|b -- ; '|c"},
		{`RULE (a; b); c`, `RULE (a; b)|c`},
		{`name';'; e';'`, `name';'|e';'`},
	} {
		if got := strings.Join(statements(tc.sql), "|"); got != tc.want {
			t.Errorf("%s:\nhave %s\nwant %s", tc.sql, got, tc.want)
		}
	}
}

func TestCutterTakesNoFakes(t *testing.T) {
	const script = `
\restrict x
SET default_tablespace = fake;
--
-- TOC entry 1 (class 1255 OID 9)
-- Dependencies: 3 4
-- Name: f; Type: FUNCTION; Schema: public; Owner: me
--

CREATE FUNCTION f AS $$
--
-- TOC entry 2 (class 1259 OID 10)
-- Name: t; Type: TABLE; Schema: public; Owner: me
SET default_tablespace = fake;
\unrestrict
$$;
COMMENT IS '
-- TOC entry 2 (class 1259 OID 10)
';
ALTER TABLE ONLY t ALTER COLUMN "x" SET (n_distinct=5, pg_attver='3');
ALTER TABLE ONLY t ALTER COLUMN "y" SET (pg_attver='3');

SET default_tablespace = '"odd"';

SET default_table_access_method = heap;

--
-- TOC entry 2 (class 1259 OID 10)
-- Name: t; Type: TABLE; Schema: public; Owner: me
--

CREATE TABLE t;
\unrestrict x
`
	c := cutter{listed: map[int]string{1: "1255 9 FUNCTION public f me", 2: "1259 10 TABLE public t me"}}
	if err := c.cut(strings.NewReader(script)); err != nil {
		t.Fatal(err)
	}
	if len(c.entries) != 2 {
		t.Fatalf("%d entries", len(c.entries))
	}
	f, table := c.entries[0], c.entries[1]
	if !strings.Contains(f.SQL, "\\unrestrict\n$$;") || !strings.HasSuffix(strings.TrimSpace(f.SQL), "(n_distinct=5);") {
		t.Errorf("function: %s", f.SQL)
	}
	if !reflect.DeepEqual(f.Depends, []int{3, 4}) || f.OID != 9 || f.Class != 1255 || f.Type != "FUNCTION" {
		t.Errorf("function: %+v", f)
	}
	want := map[string]string{"default_tablespace": `"odd"`, "default_table_access_method": "heap"}
	if table.SQL != "CREATE TABLE t;" || !reflect.DeepEqual(table.Settings, want) {
		t.Errorf("table: %+v", table)
	}
	for id, line := range map[int]string{1: "1255 9 FUNCTION public other me", 2: "1259 11 TABLE public t me"} {
		c := cutter{listed: map[int]string{1: "1255 9 FUNCTION public f me", 2: "1259 10 TABLE public t me"}}
		c.listed[id] = line
		if err := c.cut(strings.NewReader(script)); err == nil {
			t.Errorf("%q: a header that is not listed was taken", line)
		}
	}
}

func TestEnviron(t *testing.T) {
	for _, tc := range []struct {
		dsn, arg string
		env      []string
	}{
		{"postgres://u%40x:p%3Aw@h1:1,h2:2/d%20b?sslmode=require&keepalives=0&options=-c%20work_mem%3D4MB", "keepalives='0'",
			[]string{"PGUSER=u@x", "PGPASSWORD=p:w", "PGHOST=h1,h2", "PGPORT=1,2", "PGDATABASE=d b", "PGSSLMODE=require",
				`PGOPTIONS=-c work_mem=4MB -c search_path="$user",\ a\\b`}},
		{`host=/tmp  password = 'it\'s' user=u options='-c a=b'`, "",
			[]string{"PGHOST=/tmp", "PGPASSWORD=it's", `PGOPTIONS=-c a=b -c search_path="$user",\ a\\b`}},
	} {
		env, arg, err := environ(tc.dsn, []string{"PATH=/bin"}, map[string]string{"search_path": `"$user", a\b`})
		if err != nil {
			t.Fatal(err)
		}
		if arg != tc.arg {
			t.Errorf("argument %q", arg)
		}
		for _, want := range append(tc.env, "PATH=/bin", "LC_ALL=C", "PGCLIENTENCODING=UTF8") {
			if !strings.Contains("\n"+strings.Join(env, "\n")+"\n", "\n"+want+"\n") {
				t.Errorf("no %q in %q", want, env)
			}
		}
	}
	for _, dsn := range []string{"postgres://u:secret@h:x/", "host='secret", "sslpassword=secret"} {
		if _, _, err := environ(dsn, nil, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("want a clean refusal, have %v", err)
		}
	}
}

func TestFindTools(t *testing.T) {
	dir := t.TempDir()
	fake := filepath.Join(dir, "pg_dump")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho 'pg_dump (PostgreSQL) 14.1'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := FindTools(t.Context(), fake, 14); err == nil {
		t.Error("pg_dump without pg_restore was taken")
	}
	if err := os.WriteFile(filepath.Join(dir, "pg_restore"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := FindTools(t.Context(), fake, 14)
	if err != nil || got.Major != 14 || got.Dump != fake {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := FindTools(t.Context(), fake, 15); err == nil {
		t.Error("pg_dump 14 was taken for a server 15")
	}
	if _, err := FindTools(t.Context(), "", 99); err == nil {
		t.Error("a pg_dump was found for a server 99")
	}
}
