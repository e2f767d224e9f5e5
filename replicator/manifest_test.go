package replicator_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// ends runs an engine to its end.
func (p *pair) ends() (fault.Code, string) {
	p.t.Helper()
	e := startEngine(p.t, orders{Options: p.o})
	<-e.gone
	return fault.Code(e.code), e.out.String()
}

// manifest is the one in the state directory.
func (p *pair) manifest() *schema.Manifest {
	p.t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.o.Dir, "manifest.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	m := &schema.Manifest{}
	if err := json.Unmarshal(raw, m); err != nil {
		p.t.Fatal(err)
	}
	return m
}

// invalid leaves an invalid index behind, as a build does that fails.
func (p *pair) invalid(name, table, column string) {
	p.t.Helper()
	c := p.connect(p.source)
	defer c.Close()
	if err := c.Exec(p.t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY "+name+" ON "+table+" ("+column+")"); pg.State(err) != "23505" {
		p.t.Fatalf("a unique index over equal values: %v", err)
	}
}

// TestSeedAsksForAcknowledgement: with something that the target will not have a job begins only when
// the operator has named the manifest, and nothing is touched before.
func TestSeedAsksForAcknowledgement(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE ward (id int PRIMARY KEY, name text); INSERT INTO ward VALUES (1, 'x'), (2, 'x')")
	p.invalid("ward_twice", "ward", "name")
	p.o.Until = "consistent"
	for _, word := range []string{"", "0123456789ab"} {
		p.o.Acknowledge = word
		if code, out := p.ends(); code != fault.Preflight || !strings.Contains(out, "invalid index public.ward_twice") || !strings.Contains(out, "manifest "+p.manifest().Digest+" is not acknowledged") {
			t.Fatalf("acknowledged %q: ended with %d:\n%s", word, code, out)
		}
	}
	if p.value(p.target, "SELECT to_regclass('replicator.job') IS NULL AND to_regclass('ward') IS NULL") != "t" ||
		p.value(p.source, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") != "0" {
		t.Error("a job that was refused has touched the databases")
	}
	first := p.manifest().Digest
	p.invalid("ward_again", "ward", "name")
	p.o.Acknowledge = first
	if code, out := p.ends(); code != fault.Preflight || !strings.Contains(out, "ward_again") {
		t.Fatalf("another loss, and the old word: ended with %d:\n%s", code, out)
	}
	p.o.Acknowledge = p.manifest().Digest
	if code, out := p.ends(); code != 0 || p.o.Acknowledge == first {
		t.Fatalf("acknowledged: ended with %d:\n%s", code, out)
	}
	p.o.Acknowledge = "" // said once
	if code, out := p.ends(); code != 0 {
		t.Fatalf("resumed: ended with %d:\n%s", code, out)
	}
}

// TestFenceNamesWhatIsNew: what was made, changed or dropped on the source since the seed and does not
// move closes the catch-up, by name and before anything is fenced, until the operator acknowledges it.
// Tables and sequences are made on the target, with all that is theirs.
func TestFenceNamesWhatIsNew(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE ward (id int PRIMARY KEY, name text, m mood); CREATE INDEX ward_name ON ward (name);
		CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW old AS SELECT id FROM ward; CREATE VIEW kept AS SELECT name FROM ward;
		CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)`)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, `ALTER TYPE mood ADD VALUE 'bad'`)
	p.exec(p.source, `CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'; DROP VIEW old; CREATE VIEW fresh AS SELECT id FROM ward;
		CREATE INDEX ward_m ON ward (m); COMMENT ON TABLE ward IS 'x'; CREATE POLICY p ON ward USING (true); GRANT SELECT ON ward TO ward;
		CREATE TABLE bed (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ward int REFERENCES ward, s serial UNIQUE, CHECK (ward > 0));
		COMMENT ON INDEX bed_pkey IS 'x'; COMMENT ON COLUMN bed.ward IS 'x'; GRANT SELECT ON bed TO ward; CREATE SEQUENCE ticket; GRANT USAGE ON SEQUENCE ticket TO ward;
		CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2)`)
	p.exec(p.source, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''9MB''', current_database()); END $$`)
	report, err := p.catchup(replicator.CatchupOptions{})
	if fault.CodeOf(err) != fault.Preflight || report == nil || report.Manifest == nil {
		t.Fatalf("catch-up: %v", err)
	}
	if p.value(p.source, `SELECT count(*) FROM pg_db_role_setting, unnest(setconfig) c WHERE c LIKE 'default_transaction_read_only%'
		AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())`) != "0" {
		t.Error("the source was fenced")
	}
	var have []string
	for _, i := range report.Manifest.Losses() {
		what, _, _ := strings.Cut(i.Why, " ")
		have = append(have, what+" "+i.Name)
	}
	want := []string{"changed function public.one()", "changed type public.mood", "dropped view public.old", "made view public.fresh", "made index public.ward_m",
		`made comment public.TABLE "ward"`, "made policy public.ward p", `made acl public.TABLE "ward"`, "made function public.fire()", "not work_mem"}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("named are\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	report, err = p.catchup(replicator.CatchupOptions{Acknowledge: report.Manifest.Digest})
	if err != nil || report.Outcome != catchup.Opened {
		t.Fatalf("acknowledged: %v", err)
	}
	<-e.gone
	diffs, err := schema.Compare(t.Context(), p.source, p.target, p.o.Select)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diffs { // whatever differs is named
		name := strings.ToLower(d.Type) + " " + d.Schema + "." + d.Name
		if !slices.ContainsFunc(want, func(w string) bool { return strings.HasSuffix(w, " "+name) }) {
			t.Errorf("not named: %s\n%s\n%s", d, d.Source, d.Target)
		}
	}
}

// mustCatchupWithout is a catch-up that must open the target once these losses, and no others, are
// acknowledged.
func (p *pair) mustCatchupWithout(losses ...string) *catchup.Report {
	p.t.Helper()
	refused, err := p.catchup(replicator.CatchupOptions{Rehearse: true})
	if fault.CodeOf(err) != fault.Preflight || refused.Manifest == nil {
		p.t.Fatalf("rehearsal: %v", err)
	}
	var have []string
	for _, i := range refused.Manifest.Losses() {
		have = append(have, i.Kind+" "+i.Name)
	}
	if !slices.Equal(have, losses) {
		p.t.Errorf("lost are %q, want %q", have, losses)
	}
	report, err := p.catchup(replicator.CatchupOptions{Acknowledge: refused.Manifest.Digest})
	if err != nil || report.Outcome != catchup.Opened {
		p.t.Fatalf("catch-up: %v", err)
	}
	return report
}

// TestWithoutSuperuser moves a database with objects that only a superuser can make, to a role that is none:
// the manifest names them, and once that is acknowledged all the rest moves. At the window only what needs
// them is to be acknowledged as well.
func TestWithoutSuperuser(t *testing.T) {
	p := newPair(t, ownServer(t, cluster.Config{}), ownServer(t, cluster.Config{}))
	p.exec(p.source, `GRANT CREATE ON SCHEMA public TO ward; CREATE TABLE bed (id int PRIMARY KEY, n int); INSERT INTO bed SELECT i, i FROM generate_series(1, 50) i;
		CREATE FUNCTION raw(int) RETURNS int LANGUAGE internal STRICT AS 'int4abs'; COMMENT ON FUNCTION raw(int) IS 'x'; GRANT EXECUTE ON FUNCTION raw(int) TO ward;
		CREATE TYPE odd; CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
		CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'; CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = int4);
		COMMENT ON TYPE odd IS 'x'; CREATE VIEW seen AS SELECT raw(n) AS n FROM bed; CREATE FUNCTION takes(odd) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW fine AS SELECT n FROM bed;
		CREATE TYPE pairs AS (a int8); CREATE CAST (odd AS oid) WITHOUT FUNCTION;
		CREATE OPERATOR CLASS ints FOR TYPE int USING btree AS OPERATOR 3 =, FUNCTION 1 btint4cmp(int, int);
		CREATE TEXT SEARCH PARSER words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
		DO $do$ DECLARE x text; BEGIN FOREACH x IN ARRAY '{TABLE bed,FUNCTION raw(int),FUNCTION odd_in(cstring),FUNCTION odd_out(odd),TYPE odd,VIEW seen,VIEW fine,FUNCTION takes(odd),TYPE pairs,OPERATOR CLASS ints USING btree,OPERATOR FAMILY ints USING btree}'::text[]
			LOOP EXECUTE 'ALTER ' || x || ' OWNER TO ward'; END LOOP; END $do$`)
	m := &move{p, p.value(p.source, "SELECT current_database()"), p.value(p.target, "SELECT current_database()")}
	m.setUp(source.FenceDatabase)
	m.noSuperuser()
	code, out := p.ends()
	roots := []string{"base type public.odd", "cast public.odd to oid", "function in internal public.odd_in", "function in internal public.odd_out",
		"function in internal public.raw", "operator class public.ints", "operator family public.ints", "text search parser words"}
	if have := losses(p.manifest()); code != fault.Preflight || !slices.Equal(have, roots) {
		t.Fatalf("ended with %d, lost are %q, want %q:\n%s", code, have, roots, out)
	}
	p.o.Acknowledge = p.manifest().Digest
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "UPDATE bed SET n = n + 1")
	lost := append(slices.Clone(roots), `left out FUNCTION public.takes("public"."odd")`, "left out VIEW public.seen")
	slices.Sort(lost)
	p.mustCatchupWithout(lost...)
	<-e.gone
	p.compare()
	if n := p.value(p.target, "SELECT count(*) FROM fine"); n != "50" {
		t.Errorf("what needs no superuser is not there: %s rows", n)
	}
}

// losses are what a manifest loses, in a word each.
func losses(m *schema.Manifest) []string {
	var have []string
	for _, i := range m.Losses() {
		have = append(have, i.Kind+" "+i.Name)
	}
	return have
}

// TestForeignKeysThatRowsBreak: where triggers were off for a while rows break a key that counts as valid. It is
// named, and stays NOT VALID on the target. The database also reads backslashes in strings in the old way.
func TestForeignKeysThatRowsBreak(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE ward (id int PRIMARY KEY); CREATE TABLE bed (id int PRIMARY KEY, ward int CONSTRAINT bed_ward REFERENCES ward);
		COMMENT ON CONSTRAINT bed_ward ON bed IS 'x'; CREATE TABLE visit (ward int CONSTRAINT visit_ward REFERENCES ward);
		CREATE TABLE parts (id int PRIMARY KEY, ward int CONSTRAINT parts_ward REFERENCES ward) PARTITION BY LIST (id);
		COMMENT ON CONSTRAINT parts_ward ON parts IS 'x'; CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
		SET session_replication_role = replica; INSERT INTO bed VALUES (1, 7); INSERT INTO visit VALUES (8); INSERT INTO parts VALUES (1, 9);
		SELECT lo_from_bytea(0, 'x');
		DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database()); END $$`)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	report, err := p.catchup(replicator.CatchupOptions{Rehearse: true})
	if fault.CodeOf(err) != fault.Preflight || report.Manifest == nil {
		t.Fatalf("rehearsal: %v", err)
	}
	var have []string
	for _, i := range report.Manifest.Losses() {
		have = append(have, i.Kind+" "+i.Name)
	}
	want := []string{`left out COMMENT public.CONSTRAINT "parts_ward" ON "parts"`, "left out FK CONSTRAINT public.parts parts_ward", "left out VALIDATE public.bed bed_ward"}
	if !slices.Equal(have, want) {
		t.Errorf("lost are %q, want %q", have, want)
	}
	// That of a table without key is met behind the fence, when all others are known.
	_, err = p.catchup(replicator.CatchupOptions{Acknowledge: report.Manifest.Digest})
	if fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "visit_ward") {
		t.Fatalf("catch-up: %v", err)
	}
	p.exec(p.source, "INSERT INTO ward VALUES (2)") // the fence was lifted
	p.mustCatchupAll()
	<-e.gone
	p.compare()
	const notValid = "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"
	if got := p.value(p.target, notValid); got != "bed_ward visit_ward" {
		t.Errorf("not valid on the target: %q", got)
	}
}

// TestForeignKeysAreTriedAgain mends rows that broke foreign keys at the seed: nothing is asked for then. The
// engine is killed when the target has forgotten that it tried them, and nothing is lost by that.
func TestForeignKeysAreTriedAgain(t *testing.T) {
	t.Parallel()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE ward (id int PRIMARY KEY); CREATE TABLE bed (id int PRIMARY KEY, ward int CONSTRAINT bed_ward REFERENCES ward);
		CREATE TABLE parts (id int PRIMARY KEY, ward int CONSTRAINT parts_ward REFERENCES ward) PARTITION BY LIST (id);
		COMMENT ON CONSTRAINT parts_ward ON parts IS 'x'; CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
		SET session_replication_role = replica; INSERT INTO bed VALUES (1, 7); INSERT INTO parts VALUES (1, 9)`)
	e := startEngine(t, orders{Options: p.o, KillAt: "engine: foreign keys forgotten", KillNth: 1})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "INSERT INTO ward VALUES (7)")
	if _, err := p.verify(verify.Options{}); err != nil { // and so it is on the target
		t.Fatal(err)
	}
	if _, err := p.catchup(replicator.CatchupOptions{}); err == nil {
		t.Fatal("the engine was not killed")
	}
	<-e.gone
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	_, err := p.catchup(replicator.CatchupOptions{})
	if fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "parts_ward") || strings.Contains(err.Error(), "bed_ward") {
		t.Fatalf("catch-up: %v", err)
	}
	p.exec(p.source, "INSERT INTO ward VALUES (9)")
	if _, err := p.verify(verify.Options{}); err != nil {
		t.Fatal(err)
	}
	p.mustCatchup()
	<-e.gone
	p.compare()
	p.compareSchema()
}

func (p *pair) mustCatchupAll() {
	p.t.Helper()
	report, err := p.catchup(replicator.CatchupOptions{Acknowledge: schema.AcknowledgeAll})
	if err != nil || report.Outcome != catchup.Opened {
		p.t.Fatalf("catch-up: %v", err)
	}
}
