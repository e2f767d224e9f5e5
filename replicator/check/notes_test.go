package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// Everything that is only worth knowing, in one database, with canaries in every value.
func TestNotes(t *testing.T) {
	f := newFixture(t, nil, false)
	f.onSource(t, `CREATE TABLE keyless (what text); INSERT INTO keyless VALUES ('canary-1');
		CREATE TABLE chosen (id int NOT NULL, other int, UNIQUE (id)); CREATE TABLE late (id int PRIMARY KEY DEFERRABLE);
		CREATE TABLE whole (x text); ALTER TABLE whole REPLICA IDENTITY FULL; INSERT INTO whole VALUES ('canary-2');
		CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
		CREATE TABLE classes (id int PRIMARY KEY, c regclass);
		CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, d int GENERATED ALWAYS AS (id * 2) STORED);
		CREATE TABLE months (at date) PARTITION BY RANGE (at); CREATE TABLE month PARTITION OF months DEFAULT;
		CREATE MATERIALIZED VIEW stale AS SELECT 'canary-3'; CREATE MATERIALIZED VIEW empty_view AS SELECT 1 WITH NO DATA;
		CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
		CREATE FOREIGN TABLE lines (line text) SERVER files OPTIONS (filename '/nowhere/canary-4');
		CREATE PUBLICATION theirs FOR TABLE ward; CREATE SUBSCRIPTION feed CONNECTION 'password=canary-5' PUBLICATION p WITH (connect = false);
		CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER always BEFORE INSERT ON ward FOR EACH ROW EXECUTE FUNCTION fire(); ALTER TABLE ward ENABLE ALWAYS TRIGGER always`)
	f.onSource(t, "ALTER DATABASE "+pg.Ident(f.source)+` SET search_path = ward, "Odd One", public`)
	f.onSource(t, "ALTER DATABASE "+pg.Ident(f.source)+" SET work_mem = '5MB'")
	f.onTarget(t, `CREATE SCHEMA replicator; CREATE FUNCTION public.hook() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
		CREATE EVENT TRIGGER hook ON ddl_command_end EXECUTE FUNCTION public.hook()`)
	f.onTarget(t, "ALTER DATABASE "+pg.Ident(f.target)+" SET log_statement = 'all'; ALTER DATABASE "+pg.Ident(f.target)+" SET temp_file_limit = '1MB'")
	busy := open(t, f.src.DSN(f.source))
	do(t, busy, "BEGIN; INSERT INTO keyless VALUES ('canary-6')")
	f.o.LongTransaction = time.Microsecond

	r := f.check(t)
	for _, want := range []struct {
		id   string
		side Side
		says string
	}{
		{"no-identity", Source, "a deferrable primary key counts as none: public.late"},
		{"identity-full", Source, "public.whole"}, {"unlogged", Source, "public.cache"}, {"text-format", Source, "public.classes"},
		{"matview", Source, "public.stale"}, {"unpopulated", Source, "public.empty_view"}, {"foreign", Source, "public.lines"},
		{"publication", Source, "theirs"}, {"subscription", Source, "feed"}, {"triggers", Source, "public.ward.always"},
		{"long-transactions", Source, "check_test"}, {"settings", Target, "temp_file_limit"},
		{"log-values", Target, "logged"}, {"event-triggers", Target, "hook"}, {"job", Target, "resume"}, {"disk-target", Target, "needed"},
	} {
		i := slices.IndexFunc(r.Findings, func(f Finding) bool {
			return f.ID == want.id && f.Side == want.side && f.Level == Note && strings.Contains(f.Text, want.says)
		})
		if i < 0 {
			t.Errorf("no note %s on the %s that says %q: %+v", want.id, want.side, want.says, r.find(want.id, want.side))
		}
	}
	for _, id := range []string{"partitioned", "generated", "identity-columns"} {
		if got := r.find(id, Source); got == nil || got.Level != OK {
			t.Errorf("%s: %+v", id, got)
		}
	}
	do(t, busy, "ROLLBACK")
	f.mendNotes(t, r)
	noCanary(t, r)
}

// mendNotes runs what the notes offer, and looks again.
func (f *fixture) mendNotes(t *testing.T, r *Report) {
	t.Helper()
	offered := map[string]Side{"no-identity": Source, "settings": Target, "log-values": Target, "event-triggers": Target}
	for id, side := range offered {
		f.mend(t, r.find(id, side), false)
	}
	f.o.LongTransaction = time.Hour
	after := f.check(t)
	for id, side := range offered {
		if got := after.find(id, side); got != nil && got.Level != OK {
			t.Errorf("its SQL did not mend %s: %s\n%s", id, got.Text, r.find(id, side).SQL)
		}
	}
	// The unique index was taken where there is one.
	for i := range after.Plan.Tables {
		if p := &after.Plan.Tables[i]; p.Name == "public.chosen" && p.Identity != chunker.IdentityKey {
			t.Errorf("public.chosen has identity %s", p.Identity)
		}
	}
}

// What is set for the database moves along where our role is its owner; else the SQL is there, and for
// what would hinder ourselves it says when.
func TestDatabaseSettings(t *testing.T) {
	f := newFixture(t, nil, true)
	role, db := newName("plain"), pg.Ident(f.source)
	f.onSource(t, "ALTER DATABASE "+db+` SET search_path = ward, "Odd One", public; ALTER DATABASE `+db+" SET work_mem = '5MB'; ALTER DATABASE "+db+` SET temp_file_limit = '1GB'`)
	f.onTarget(t, "CREATE ROLE "+pg.Ident(role)+" LOGIN")
	f.o.Target = f.dst.DSNAs(role, f.target)
	got := f.check(t)
	lost := got.find("database-settings", Target)
	if lost == nil || len(lost.Names) != 3 || !strings.Contains(lost.SQL, "-- when the target is open: ") {
		t.Fatalf("found %+v", lost)
	}
	if got.Manifest == nil || got.Manifest.Digest == "" {
		t.Fatalf("the manifest names nothing: %+v", got.Manifest)
	}
	f.mend(t, lost, false)
	after := f.check(t)
	if left := after.find("database-settings", Target); left == nil || len(left.Names) != 1 {
		t.Errorf("its SQL did not mend it: %+v", left)
	}
	if after.Manifest.Digest == got.Manifest.Digest {
		t.Error("fewer losses, and the same digest")
	}
	f.onTarget(t, "ALTER DATABASE "+pg.Ident(f.target)+" RESET ALL; ALTER DATABASE "+pg.Ident(f.target)+" OWNER TO "+pg.Ident(role))
	if left := f.check(t).find("database-settings", Target); left == nil || len(left.Names) != 1 {
		t.Errorf("the owner does not carry them: %+v", left)
	}
}

// noCanary: no value of a row, a definition or a connection string is in any form of the report.
func noCanary(t *testing.T, r *Report) {
	t.Helper()
	var text strings.Builder
	if err := r.WriteText(&text, true); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String()+string(out), "canary") {
		t.Error("a value is in the report")
	}
}

// The plan is seed's: ranges where the heap follows the key, blocks where it does not, whole
// tables, late ones; without the right to sample it is reckoned.
func TestPlan(t *testing.T) {
	f := newFixture(t, nil, false)
	f.onSource(t, `CREATE TABLE ordered (id int PRIMARY KEY, pad text); INSERT INTO ordered SELECT i, repeat('x', 500) FROM generate_series(1, 8000) i;
		CREATE TABLE scattered (id uuid PRIMARY KEY, pad text); INSERT INTO scattered SELECT gen_random_uuid(), repeat('x', 500) FROM generate_series(1, 8000);
		CREATE TABLE keyless (x text); INSERT INTO keyless SELECT repeat('x', 500) FROM generate_series(1, 8000); ANALYZE`)
	f.o.ChunkBytes = 1 << 20
	plan := func(o Options) map[string]PlanTable {
		t.Helper()
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]PlanTable{}
		for _, p := range r.Plan.Tables {
			m[p.Name] = p
		}
		return m
	}
	p := plan(f.o)
	for name, want := range map[string]PlanTable{
		"public.ordered": {Cut: chunker.Range}, "public.scattered": {Cut: chunker.Block},
		"public.keyless": {Cut: chunker.Block, Late: true}, "public.ward": {Cut: chunker.Whole},
	} {
		if got := p[name]; got.Cut != want.Cut || got.Late != want.Late || !got.Sampled || (got.Chunks > 1) != (want.Cut != chunker.Whole) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := p["public.ordered"]; got.Indexes != 1 || got.IndexBytes == 0 || fmt.Sprint(got.Key) != "[id]" || got.Rows != 8000 {
		t.Errorf("%+v", got)
	}
	role := newName("plain")
	f.onSource(t, "CREATE ROLE "+role+" LOGIN REPLICATION")
	o := f.o
	o.Source, o.NoKey = f.src.DSNAs(role, f.source), "full"
	p = plan(o)
	if got := p["public.ordered"]; got.Sampled || got.Chunks != 4 {
		t.Errorf("without rights: %+v", got)
	}
	if got := p["public.keyless"]; got.Late || got.Identity != chunker.IdentityFull {
		t.Errorf("--no-key full: %+v", got)
	}
}

// Rights on public are not ours to give: setup gives them, and the check says where they differ.
func TestPublicRights(t *testing.T) {
	f := newFixture(t, nil, false)
	reader := newName("reader")
	f.onSource(t, "CREATE ROLE "+reader+"; GRANT CREATE ON SCHEMA public TO "+reader+"; GRANT USAGE ON SCHEMA public TO "+reader+" WITH GRANT OPTION")
	f.onTarget(t, "GRANT CREATE ON SCHEMA public TO PUBLIC")
	f.asRoles(t)
	if got := f.check(t).find("public-rights", Target); got == nil || got.Level != OK {
		t.Errorf("after setup: %+v", got)
	}
	if got := value(t, open(t, f.dst.DSN(f.target)), "SELECT has_schema_privilege('"+reader+"', 'public', 'CREATE')"); got != "t" {
		t.Error("setup did not give the reader its right")
	}
	f.onTarget(t, "REVOKE ALL ON SCHEMA public FROM "+reader+"; GRANT CREATE ON SCHEMA public TO PUBLIC")
	got := f.check(t).find("public-rights", Target)
	if got == nil || got.Level != Note {
		t.Fatalf("rights differ: %+v", got)
	}
	f.mend(t, got, false)
	if got := f.check(t).find("public-rights", Target); got.Level != OK {
		t.Errorf("after its SQL: %+v", got)
	}
}

// An upgraded database has public still with the superuser of old; setup gives it the same owner.
func TestPublicOwner(t *testing.T) {
	f := newFixture(t, nil, false)
	f.onSource(t, "ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO PUBLIC")
	f.asRoles(t)
	const public = "SELECT pg_get_userbyid(nspowner) || ' ' || nspacl::text FROM pg_namespace WHERE nspname = 'public'"
	if got := value(t, open(t, f.dst.DSN(f.target)), public); !strings.HasPrefix(got, "postgres {postgres=UC/postgres,=UC/postgres") {
		t.Errorf("setup left public as %s", got)
	}
	if got := f.check(t).find("public-rights", Target); got == nil || got.Level != OK {
		t.Errorf("after setup: %+v", got)
	}
	f.onTarget(t, "ALTER SCHEMA public OWNER TO pg_database_owner")
	if got := f.check(t).find("public-rights", Target); got == nil || got.Level != Note || !strings.Contains(got.SQL, `OWNER TO "postgres"`) {
		t.Errorf("the owner differs: %+v", got)
	}
}
