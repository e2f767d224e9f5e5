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
	"replicator/replicator/status"
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
