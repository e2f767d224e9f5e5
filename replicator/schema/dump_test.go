package schema_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// TestDumpUnderOddSettings: what a DBA sets on a database or role must not reach pg_dump.
func TestDumpUnderOddSettings(t *testing.T) {
	t.Parallel()
	dsn := database(t, server)
	conn := connect(t, dsn)
	name, err := conn.Value(t.Context(), `SELECT current_database()`)
	check(t, err)
	execute(t, conn, `CREATE TABLE public.t (a bytea DEFAULT '\xff', b timestamptz DEFAULT '2026-01-01 00:00:00+00', c interval DEFAULT '1 day');
		CREATE VIEW public.v AS SELECT '\xff'::bytea AS x, '2026-01-01 00:00:00+00'::timestamptz AS y, 'a\b' AS z`)
	want := entries(t, dsn)
	for _, set := range []string{
		"default_transaction_read_only = on", "statement_timeout = 1", "lock_timeout = 1", "idle_in_transaction_session_timeout = 1",
		"TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", "IntervalStyle = 'iso_8601'", "bytea_output = 'escape'",
		"standard_conforming_strings = off", "escape_string_warning = off", "search_path = 'nowhere'", "client_encoding = 'LATIN1'",
		"default_transaction_isolation = 'serializable'", "default_transaction_deferrable = on", "quote_all_identifiers = off",
		"row_security = on", "extra_float_digits = -5",
	} {
		execute(t, conn, `ALTER DATABASE `+pg.Ident(name)+` SET `+set)
	}
	got := entries(t, dsn)
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].SQL != want[i].SQL {
			t.Errorf("%s became\n%s\nwas\n%s", got[i].Name, got[i].SQL, want[i].SQL)
		}
	}
}

func entries(t *testing.T, dsn string) []schema.Entry {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "schema")
	tools, err := schema.Dump(t.Context(), schema.DumpConfig{DSN: dsn, File: archive})
	check(t, err)
	info, err := os.Stat(archive)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the archive is %v", info.Mode())
	}
	list, err := schema.Entries(t.Context(), tools.Restore, archive)
	check(t, err)
	return list
}

func TestDumpRefused(t *testing.T) {
	t.Parallel()
	dsn := database(t, server)
	conn := connect(t, dsn)
	execute(t, conn, `CREATE TABLE public.secret (a int); CREATE SCHEMA closed; CREATE TABLE closed.t (a int); CREATE ROLE dump_plain LOGIN`)
	plain := as(t, dsn, "dump_plain")
	config := func(dsn string) schema.DumpConfig {
		return schema.DumpConfig{DSN: dsn, File: filepath.Join(t.TempDir(), "schema")}
	}
	_, err := schema.Dump(t.Context(), config(plain))
	if fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "public.secret") || !strings.Contains(err.Error(), "closed.t") {
		t.Errorf("without rights: %v", err)
	}
	execute(t, conn, `GRANT pg_read_all_data TO dump_plain`)
	if _, err := schema.Dump(t.Context(), config(plain)); err != nil {
		t.Errorf("with rights: %v", err)
	}
	execute(t, conn, `BEGIN; LOCK TABLE public.secret`)
	_, err = schema.Dump(t.Context(), config(dsn))
	if fault.CodeOf(err) != fault.Source || !strings.Contains(err.Error(), "locked") || fault.HintOf(err) == "" {
		t.Errorf("locked: %v", err)
	}
	_, err = schema.Tables(t.Context(), connect(t, dsn), schema.Selection{})
	if fault.CodeOf(err) != fault.Source {
		t.Errorf("tables while locked: %v", err)
	}
	execute(t, conn, `ROLLBACK`)
}

func TestCompareTells(t *testing.T) {
	t.Parallel()
	source, target := database(t, server), database(t, server)
	execute(t, connect(t, source), `CREATE TABLE public.same (a int); CREATE TABLE public.missing (a int); CREATE TABLE public.other (a int)`)
	execute(t, connect(t, target), `CREATE SCHEMA replicator; CREATE TABLE replicator.own (a int);
		CREATE TABLE public.same (a int); CREATE TABLE public.extra (a int); CREATE TABLE public.other (a bigint)`)
	diffs, err := schema.Compare(t.Context(), source, target, schema.Selection{})
	check(t, err)
	var said []string
	for _, d := range diffs {
		said = append(said, d.String())
	}
	want := "TABLE public.extra is on the target only|TABLE public.missing is missing on the target|TABLE public.other differs"
	if got := strings.Join(said, "|"); got != want {
		t.Errorf("have %s", got)
	}
}
