package schema_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// oddities is one thing of each kind that the target will not have as it is, and of some its neighbour
// that is carried. Its canaries are values that no manifest may hold.
const oddities = `
	CREATE ROLE odd_owner; CREATE ROLE odd_group NOLOGIN; CREATE ROLE odd_user LOGIN PASSWORD 'canary-1' VALID UNTIL '2031-01-01';
	CREATE ROLE odd_stranger; GRANT odd_group TO odd_user; GRANT odd_owner TO odd_group WITH ADMIN OPTION;
	ALTER ROLE odd_user SET app.token = 'canary-2';
	CREATE TABLE ward (id int PRIMARY KEY, name text COLLATE "en-x-icu"); CREATE INDEX ward_name ON ward (name);
	ALTER TABLE ward OWNER TO odd_owner;
	INSERT INTO ward VALUES (1, 'canary-3'), (2, 'canary-3');
	CREATE SUBSCRIPTION feed CONNECTION 'password=canary-4' PUBLICATION p WITH (connect = false);
	CREATE PUBLICATION theirs FOR TABLE ward; CREATE PUBLICATION ours FOR TABLE ward;
	CREATE FUNCTION hook() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
	CREATE EVENT TRIGGER hook ON ddl_command_end EXECUTE FUNCTION hook();
	CREATE FUNCTION pg_catalog.odd(int) RETURNS int LANGUAGE sql AS 'SELECT 5';
	GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO odd_user;
	GRANT SELECT ON pg_catalog.pg_authid TO odd_user;
	ALTER FUNCTION pg_catalog.pg_sleep(float8) OWNER TO odd_owner; COMMENT ON SCHEMA public IS NULL;
	INSERT INTO pg_seclabel VALUES ('ward'::regclass, 'pg_class'::regclass, 0, 'odd_provider', 'canary-5');
	CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
	CREATE FOREIGN TABLE lines (line text) SERVER files OPTIONS (filename '/canary-6');
	CREATE EXTENSION postgres_fdw; CREATE SERVER hub FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR odd_user SERVER hub OPTIONS (password 'canary-7');
	CREATE MATERIALIZED VIEW filled AS SELECT id FROM ward; CREATE MATERIALIZED VIEW hollow AS SELECT id FROM ward WITH NO DATA;
	CREATE TABLE parent (a int, b int); CREATE TABLE child (b int, a int); ALTER TABLE child INHERIT parent; CREATE TABLE heir () INHERITS (parent);
	CREATE TABLE configured (k text, mine bool); CREATE TABLE untouched (k text, mine bool);
	CREATE EXTENSION hstore; ALTER EXTENSION hstore ADD TABLE configured; ALTER EXTENSION hstore ADD TABLE untouched;
	UPDATE pg_extension SET extconfig = ARRAY['configured'::regclass, 'untouched'::regclass]::oid[], extcondition = '{WHERE mine,WHERE mine}' WHERE extname = 'hstore';
	INSERT INTO configured VALUES ('canary-8', true); INSERT INTO untouched VALUES ('of the script', false);
	COMMENT ON ROLE odd_user IS 'somebody'`

// oddDatabase are the properties of a database, whose name is for %[1]s.
const oddDatabase = `ALTER DATABASE %[1]s SET work_mem = '7MB'; ALTER DATABASE %[1]s SET app.secret = 'canary-9';
	ALTER DATABASE %[1]s SET search_path = "Ward 3", public; ALTER DATABASE %[1]s SET log_statement = 'ddl'; ALTER DATABASE %[1]s SET temp_file_limit = '1GB';
	ALTER ROLE odd_user IN DATABASE %[1]s SET work_mem = '9MB';
	ALTER DATABASE %[1]s CONNECTION LIMIT 50; COMMENT ON DATABASE %[1]s IS 'canary-10';
	REVOKE TEMPORARY ON DATABASE %[1]s FROM PUBLIC; GRANT CREATE ON DATABASE %[1]s TO odd_group WITH GRANT OPTION`

// oddSource makes the database with all of it on a server of its own: roles are the server's.
func oddSource(t *testing.T) *pg.Conn {
	t.Helper()
	source := database(t, start(t, 15))
	conn := connect(t, source)
	execute(t, conn, "SET search_path = public; SET allow_system_table_mods = on; "+oddities)
	name, err := conn.Value(t.Context(), "SELECT current_database()")
	check(t, err)
	execute(t, conn, fmt.Sprintf(oddDatabase, pg.Ident(name)))
	if err := conn.Exec(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY ward_twice ON ward (name)"); pg.State(err) != "23505" {
		t.Fatalf("a unique index over equal rows: %v", err)
	}
	return connect(t, source)
}

// TestManifest names each oddity, for a target role that may do little and for a superuser.
func TestManifest(t *testing.T) {
	source := oddSource(t)
	target := database(t, start(t, 17))
	execute(t, connect(t, target), "CREATE ROLE plain LOGIN")
	always := []string{
		"configuration of an extension public.configured", "connection limit of the database", "database setting temp_file_limit",
		"invalid index public.ward_twice", "object in pg_catalog function odd(integer)", "order of columns public.child",
		"owner of an object of the server function pg_sleep(double precision)",
		"role odd_group", "role odd_owner", "role odd_user", "security label odd_provider on table public.ward", "subscription feed",
	}
	plain := []string{
		"comment on schema public", "comment on the database", "database setting app.secret", "database setting log_statement", "database setting search_path",
		"database setting work_mem", "database setting work_mem of role odd_user", "event trigger hook",
		"right on an object of the server pg_authid", "right on an object of the server pg_read_file(text)",
		"right on the database CREATE of odd_group", "right on the database TEMPORARY of PUBLIC, which only the target has",
	}
	notes := []string{"foreign table public.lines", "materialized view public.filled", "publication theirs", "user mapping with password odd_user at hub"}
	for role, losses := range map[string][]string{"plain": slices.Concat(always, plain), "postgres": always} {
		m := manifestOf(t, source, connect(t, as(t, target, role)))
		same(t, role+": losses", named(m.Losses()), losses)
		told := slices.DeleteFunc(named(m.Notes()), func(n string) bool { return strings.HasPrefix(n, "collation version") })
		same(t, role+": notes", told, notes)
		for _, i := range m.Items {
			if strings.Contains(i.String(), "canary") {
				t.Errorf("an item holds a value: %s", i)
			}
		}
	}
}

// TestManifestIsMended runs the SQL that a DBA is given: what it mends is named no longer.
func TestManifestIsMended(t *testing.T) {
	source := oddSource(t)
	target := database(t, start(t, 18))
	admin := connect(t, target)
	src, err := schema.ReadSite(t.Context(), source, nil)
	check(t, err)
	dst, err := schema.ReadSite(t.Context(), admin, nil)
	check(t, err)
	referred, err := schema.ReferredRoles(t.Context(), source, src.Roles)
	check(t, err)
	passwords, err := schema.Passwords(t.Context(), source)
	check(t, err)
	sql := schema.RolesSQL(referred, src.Roles, dst.Roles, passwords)
	for range 2 { // it may be run again
		execute(t, admin, strings.Join(sql, ";\n"))
	}
	for _, s := range schema.DatabaseSteps(src, dst) {
		execute(t, admin, s.SQL)
	}
	for _, i := range manifestOf(t, source, admin).Losses() {
		if strings.HasPrefix(i.Kind, "role") || i.Kind == "membership" || strings.Contains(i.Kind, "database") && i.Name != "temp_file_limit" {
			t.Errorf("still there: %s", i)
		}
	}
	for _, sql := range []string{"SELECT rolpassword FROM pg_authid WHERE rolname = 'odd_user'", "SELECT count(*) FROM pg_roles WHERE rolname = 'odd_stranger' AND false",
		"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"} {
		want, err := source.Value(t.Context(), sql)
		check(t, err)
		have, err := admin.Value(t.Context(), sql)
		check(t, err)
		if want != have {
			t.Errorf("%s: differs", sql)
		}
	}
	if _, there := dst.Roles["odd_stranger"]; there || slices.Contains(referred, "odd_stranger") {
		t.Error("a role that has nothing to do with the database is carried")
	}
	execute(t, admin, "ALTER ROLE odd_user NOLOGIN; REVOKE odd_group FROM odd_user; ALTER ROLE odd_user RESET app.token")
	have := named(manifestOf(t, source, admin).Losses())
	for _, want := range []string{"role odd_user", "membership odd_user in odd_group", "role setting app.token of odd_user"} {
		if !slices.Contains(have, want) {
			t.Errorf("%s is not named in %q", want, have)
		}
	}
}

// TestManifestDigest: another loss is another digest, and what is only told has no say in it.
func TestManifestDigest(t *testing.T) {
	loss := func(name string) schema.Item { return schema.Item{Kind: "index", Name: name, Why: "gone", Loss: true} }
	var none schema.Manifest
	one, two := none.With(loss("a")), none.With(loss("b"), loss("a"), loss("a"))
	told := one.With(schema.Item{Kind: "view", Name: "v", Why: "anew"})
	switch {
	case none.With().Digest != "" || !none.With().Acknowledged(""):
		t.Error("nothing is lost and must be acknowledged")
	case one.Digest == two.Digest || one.Digest != told.Digest || two.With().Digest != two.Digest:
		t.Errorf("digests %s, %s, %s", one.Digest, two.Digest, told.Digest)
	case one.Acknowledged("") || one.Acknowledged(two.Digest) || !one.Acknowledged(one.Digest) || !two.Acknowledged(schema.AcknowledgeAll):
		t.Error("acknowledged by the wrong word")
	case len(two.Losses()) != 2 || len(told.Notes()) != 1 || len(two.Beyond(told)) != 1 || len(told.Beyond(two)) != 0:
		t.Errorf("losses of %+v and %+v", two, told)
	}
}

// TestLibraries: what is remembered of a server's collations is what it would say, of those made since as well.
func TestLibraries(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t, server))
	var known schema.Libraries
	for _, sql := range []string{"", "CREATE COLLATION beds (provider = icu, locale = 'de-u-kn-x-beds')", "DROP COLLATION beds", ""} {
		execute(t, conn, sql)
		got, err := schema.ReadSite(t.Context(), conn, &known)
		check(t, err)
		want, err := schema.ReadSite(t.Context(), conn, nil)
		check(t, err)
		if len(want.Collations) < 100 || !maps.Equal(got.Collations, want.Collations) {
			t.Errorf("after %q: %d collations, want %d", sql, len(got.Collations), len(want.Collations))
		}
	}
}

func manifestOf(t *testing.T, source, target *pg.Conn) *schema.Manifest {
	t.Helper()
	site, err := schema.ReadSite(t.Context(), target, nil)
	check(t, err)
	l := schema.Losses{Target: site, Own: []string{"ours"}}
	m, err := l.Read(t.Context(), source)
	check(t, err)
	return m
}

// named are items without their reasons.
func named(items []schema.Item) []string {
	names := make([]string, len(items))
	for i := range items {
		names[i] = items[i].Kind + " " + items[i].Name
	}
	return names
}

// same holds lists against each other in any order.
func same(t *testing.T, what string, have, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(have, w) {
			t.Errorf("%s: %s is not named", what, w)
		}
	}
	for _, h := range have {
		if !slices.Contains(want, h) {
			t.Errorf("%s: %s is named", what, h)
		}
	}
}
