package check

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// fixture is what a case of TestMustFix plays with: two databases, of a server each or of one.
type fixture struct {
	src, dst       *cluster.Cluster
	source, target string // databases
	o              Options
}

// asRoles makes plain roles with all that setup prints, for the cases about rights.
func (f *fixture) asRoles(t *testing.T) {
	t.Helper()
	m := &move{c: f.src, source: f.source, target: f.target, sourceRole: newName("case_source"), targetRole: newName("case_target")}
	m.setUp(t)
	f.o.Source, f.o.Target = f.src.DSNAs(m.sourceRole, f.source), f.dst.DSNAs(m.targetRole, f.target)
	f.o.Slot = "" // as setup derives it
}

// roles are the quoted roles of the two sides.
func (f *fixture) roles(t *testing.T) (source, target string) {
	t.Helper()
	return pg.Ident(value(t, open(t, f.o.Source), "SELECT current_user")), pg.Ident(value(t, open(t, f.o.Target), "SELECT current_user"))
}

func (f *fixture) onSource(t *testing.T, sql string) {
	t.Helper()
	execute(t, f.src.DSN(f.source), sql)
}
func (f *fixture) onTarget(t *testing.T, sql string) {
	t.Helper()
	execute(t, f.dst.DSN(f.target), sql)
}

func (f *fixture) check(t *testing.T) *Report {
	t.Helper()
	r, err := Run(t.Context(), f.o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mustFix are the findings that SQL mends: each is provoked, its SQL is run, and it is gone.
var mustFix = []struct {
	id        string
	side      Side
	settings  map[string]string // of a source of its own
	apart     bool              // a target server of its own
	roles     bool              // roles as setup makes them, no superusers
	provoke   func(t *testing.T, f *fixture)
	elsewhere bool // its SQL runs in another database
}{
	{id: "wal-level", side: Source, settings: map[string]string{"wal_level": "replica"}},
	{id: "slots", side: Source, settings: map[string]string{"max_replication_slots": "1"}, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "SELECT pg_create_physical_replication_slot('other')")
	}},
	{id: "senders", side: Source, settings: map[string]string{"max_wal_senders": "0"}},
	{id: "connections", side: Source, settings: map[string]string{"max_connections": "12", "max_wal_senders": "2"}},
	{id: "connections", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		_, role := f.roles(t)
		f.onTarget(t, "ALTER ROLE "+role+" CONNECTION LIMIT 3")
	}},
	{id: "connections", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onTarget(t, "ALTER DATABASE "+pg.Ident(f.target)+" CONNECTION LIMIT 4")
	}},
	{id: "generated-heirs", side: Source, apart: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "CREATE TABLE base (a int, b int); CREATE TABLE heir (b int GENERATED ALWAYS AS (a * 2) STORED) INHERITS (base)")
	}},
	{id: "compression", side: Source, apart: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "ALTER TABLE ward ADD note text COMPRESSION lz4; CREATE TABLE part (id int, note text COMPRESSION lz4) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF part DEFAULT")
	}},
	{id: "slot", side: Source, provoke: func(t *testing.T, f *fixture) {
		f.o.Slot = newName("taken")
		f.onSource(t, "SELECT pg_create_physical_replication_slot("+pg.Literal(f.o.Slot)+")")
	}},
	{id: "prepared", side: Source, settings: map[string]string{}, provoke: func(t *testing.T, f *fixture) {
		f.o.LongTransaction = time.Microsecond
		f.onSource(t, "BEGIN; INSERT INTO ward VALUES (9); PREPARE TRANSACTION 'o''brien'")
	}, elsewhere: false},
	{id: "replication-role", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		role, _ := f.roles(t)
		f.onSource(t, "ALTER ROLE "+role+" NOREPLICATION")
	}},
	{id: "slot-rights", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "REVOKE EXECUTE ON FUNCTION lo_create(oid) FROM PUBLIC")
	}},
	{id: "large-object-rights", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		role, _ := f.roles(t)
		f.onSource(t, "SELECT lo_create(0); REVOKE pg_read_all_data FROM "+role)
	}},
	{id: "large-object-rights", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		_, role := f.roles(t)
		f.onSource(t, "SELECT lo_create(0)")
		f.onTarget(t, "REVOKE pg_read_all_data FROM "+role)
	}},
	{id: "empty-objects", side: Target, provoke: func(t *testing.T, f *fixture) { f.onTarget(t, "SELECT lo_create(0)") }},
	{id: "owners", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "SELECT lo_create(0)") // the superuser's, who owns nothing else
	}},
	{id: "select", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		role, _ := f.roles(t)
		f.onSource(t, "REVOKE pg_read_all_data FROM "+role)
	}},
	{id: "publication", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "DROP PUBLICATION replicator_"+f.source)
	}},
	{id: "publication", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "ALTER PUBLICATION replicator_"+f.source+" SET (publish = 'insert')")
	}},
	{id: "publication", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "CREATE TABLE later (id int PRIMARY KEY)")
	}},
	{id: "publication", side: Source, provoke: func(t *testing.T, f *fixture) {
		f.o.Publication = "everything"
		f.onSource(t, "CREATE PUBLICATION everything FOR ALL TABLES")
	}},
	{id: "publication", side: Source, provoke: func(t *testing.T, f *fixture) {
		f.o.Publication = "part"
		f.onSource(t, "CREATE PUBLICATION part FOR TABLE ONLY ward (id) WHERE (id > 3)")
	}},
	{id: "no-identity", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.o.NoKey = "full"
		f.onSource(t, "CREATE TABLE keyless (x int); CREATE TABLE late (x int PRIMARY KEY DEFERRABLE)")
	}},
	{id: "row-security", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "ALTER TABLE ward ENABLE ROW LEVEL SECURITY")
	}},
	{id: "row-security", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "ALTER TABLE ward ENABLE ROW LEVEL SECURITY; ALTER TABLE ward FORCE ROW LEVEL SECURITY")
	}},
	{id: "create", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		_, role := f.roles(t)
		f.onTarget(t, "REVOKE CREATE ON DATABASE "+pg.Ident(f.target)+" FROM "+role)
	}},
	{id: "owners", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		owner := pg.Ident(newName("new owner"))
		f.onSource(t, "CREATE ROLE "+owner+"; ALTER TABLE ward OWNER TO "+owner)
	}},
	{id: "owners", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		grantor := pg.Ident(newName("grantor"))
		f.onSource(t, "CREATE ROLE "+grantor+"; GRANT SELECT ON ward TO "+grantor+" WITH GRANT OPTION; SET ROLE "+grantor+"; GRANT SELECT ON ward TO PUBLIC")
	}},
	{id: "schema-create", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		owner := pg.Ident(newName("owner"))
		f.onSource(t, "CREATE ROLE "+owner+"; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO "+owner)
	}},
	{id: "strangers", side: Source, roles: true, provoke: func(t *testing.T, f *fixture) {
		owner := pg.Ident(newName("owner"))
		f.onSource(t, "CREATE ROLE "+owner+"; CREATE SCHEMA theirs; CREATE TABLE theirs.t (id int PRIMARY KEY); ALTER TABLE theirs.t OWNER TO "+owner)
	}},
	{id: "owners", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		owner := pg.Ident(newName("owner"))
		f.onSource(t, "CREATE ROLE "+owner+"; CREATE TEXT SEARCH CONFIGURATION ward (COPY = simple); ALTER TEXT SEARCH CONFIGURATION ward OWNER TO "+owner)
	}},
	{id: "write-all", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		_, role := f.roles(t)
		owner := pg.Ident(newName("owner"))
		f.onSource(t, "CREATE ROLE "+owner+"; ALTER TABLE ward OWNER TO "+owner)
		f.onTarget(t, "REVOKE pg_write_all_data FROM "+role)
	}},
	{id: "roles", side: Target, apart: true, provoke: func(t *testing.T, f *fixture) {
		owner, reader := pg.Ident(newName("Only-here")), pg.Ident(newName("reader"))
		f.onSource(t, "CREATE ROLE "+owner+" LOGIN NOINHERIT CONNECTION LIMIT 3; CREATE ROLE "+reader+"; ALTER TABLE ward OWNER TO "+owner+
			"; GRANT SELECT ON ward TO "+reader)
	}},
	{id: "empty", side: Target, provoke: func(t *testing.T, f *fixture) {
		f.onTarget(t, `CREATE TYPE mood AS ENUM ('a'); CREATE TYPE pair AS (a int, b int); CREATE DOMAIN age AS int; CREATE TABLE "Old one" (id serial, m mood);
			CREATE VIEW v AS SELECT 1; CREATE FUNCTION f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE s;
			CREATE MATERIALIZED VIEW m AS SELECT 1; CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int); CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'`)
	}},
	{id: "extension-untrusted", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "CREATE SCHEMA tools; CREATE EXTENSION pageinspect WITH SCHEMA tools; CREATE EXTENSION pg_buffercache WITH SCHEMA public")
	}},
	{id: "wrappers", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
		f.onTarget(t, "CREATE EXTENSION file_fdw")
	}},
	{id: "superuser-objects", side: Target, roles: true, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, `CREATE FUNCTION note_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
			CREATE EVENT TRIGGER note_ddl ON ddl_command_end EXECUTE FUNCTION note_ddl();
			CREATE FUNCTION raw(int) RETURNS int LANGUAGE internal STRICT AS 'int4abs'; CREATE TYPE box2 AS (a int); CREATE CAST (box2 AS text) WITH INOUT;
			CREATE AGGREGATE anybody_may (int) (SFUNC = int4pl, STYPE = int)`)
	}},
	{id: "encoding", side: Target, elsewhere: true, provoke: func(t *testing.T, f *fixture) {
		f.target = newName("latin")
		execute(t, f.dst.DSN("postgres"), "CREATE DATABASE "+f.target+" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
		f.o.Target = f.dst.DSN(f.target)
	}},
	{id: "encoding", side: Target, elsewhere: true, provoke: func(t *testing.T, f *fixture) {
		f.source = newName("ascii")
		execute(t, f.src.DSN("postgres"), "CREATE DATABASE "+f.source+" TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
		f.o.Source = f.src.DSN(f.source)
	}},
	{id: "money", side: Target, settings: map[string]string{"lc_monetary": "POSIX"}, provoke: func(t *testing.T, f *fixture) {
		f.onSource(t, "CREATE TABLE bill (id int PRIMARY KEY, sum money)")
	}, apart: true},
}

func TestMustFix(t *testing.T) {
	for i, tt := range mustFix {
		t.Run(fmt.Sprintf("%d %s %s", i, tt.side, tt.id), func(t *testing.T) {
			f := newFixture(t, tt.settings, tt.apart)
			if tt.roles {
				f.asRoles(t)
			}
			if clean := f.check(t).find(tt.id, tt.side); tt.settings == nil && clean != nil && clean.Level == Must {
				t.Fatalf("there before it was provoked: %s", clean.Text)
			}
			if tt.provoke != nil {
				tt.provoke(t, f)
			}
			finding := f.check(t).find(tt.id, tt.side)
			if finding == nil || finding.Level != Must {
				t.Fatalf("not found: %+v", finding)
			}
			if finding.SQL == "" {
				t.Fatal("no SQL mends it")
			}
			f.mend(t, finding, tt.elsewhere)
			if after := f.check(t).find(tt.id, tt.side); after != nil && after.Level == Must {
				t.Errorf("its SQL did not mend it: %s\n%s", after.Text, finding.SQL)
			}
		})
	}
}

// newFixture makes a source with one keyed table and an empty target.
func newFixture(t *testing.T, settings map[string]string, apart bool) *fixture {
	t.Helper()
	f := &fixture{src: server(t, 15), dst: server(t, 15)}
	if settings != nil {
		f.src = own(t, cluster.Config{Version: 15, Settings: settings})
		if !apart {
			f.dst = f.src
		}
	}
	if apart && settings == nil {
		f.dst = server(t, 18)
	}
	f.source, f.target = database(t, f.src), database(t, f.dst)
	f.o = Options{Source: f.src.DSN(f.source), Target: f.dst.DSN(f.target)}
	owner := pg.Ident(newName("owner")) // no superuser, whose member may do anything
	f.onSource(t, "CREATE ROLE "+owner+"; CREATE TABLE ward (id int PRIMARY KEY); ALTER TABLE ward OWNER TO "+owner)
	if f.dst != f.src {
		f.onTarget(t, "CREATE ROLE "+owner)
	}
	return f
}

// mend runs the SQL of a finding as its DBA would, with the restart that its comment asks for.
func (f *fixture) mend(t *testing.T, finding *Finding, elsewhere bool) {
	t.Helper()
	c, db := f.src, f.source
	if finding.Side == Target {
		c, db = f.dst, f.target
	}
	if elsewhere {
		db = "postgres"
	}
	psql(t, c.DSN(db), finding.SQL)
	if strings.Contains(finding.SQL, restart) {
		if err := c.Restart(t.Context(), "fast"); err != nil {
			t.Fatal(err)
		}
	}
}

// A missing tablespace is made elsewhere than on the source, one that is closed is opened.
func TestTablespaces(t *testing.T) {
	c := own(t, cluster.Config{Version: 15})
	f := &fixture{src: c, dst: c, source: database(t, c), target: database(t, c)}
	conn := open(t, c.DSN(f.source))
	owner := pg.Ident(newName("owner"))
	for _, sql := range []string{"SET allow_in_place_tablespaces = on", "CREATE TABLESPACE fast LOCATION ''", "CREATE ROLE " + owner,
		"CREATE TABLE ward (id int PRIMARY KEY) TABLESPACE fast", "ALTER TABLE ward OWNER TO " + owner} {
		do(t, conn, sql)
	}
	f.asRoles(t)
	finding := f.check(t).find("tablespaces", Target)
	if finding == nil || finding.Level != Must {
		t.Fatalf("closed tablespace: %+v", finding)
	}
	f.mend(t, finding, false)
	if after := f.check(t).find("tablespaces", Target); after.Level != OK {
		t.Errorf("after its SQL: %+v", after)
	}
	other := own(t, cluster.Config{Version: 15})
	f.dst, f.target = other, database(t, other)
	f.o.Target = other.DSN(f.target)
	finding = f.check(t).find("tablespaces", Target)
	if finding.Level != Must || !strings.Contains(finding.SQL, `CREATE TABLESPACE "fast"`) {
		t.Errorf("missing tablespace: %+v", finding)
	}
	f.o.Tablespaces = schema.Tablespaces{"fast": ""}
	if finding = f.check(t).find("tablespaces", Target); finding.Level != OK {
		t.Errorf("mapped to the default: %+v", finding)
	}
}

// noSQL are the findings that no SQL mends: they say what does.
func TestMustFixWithoutSQL(t *testing.T) {
	for _, tt := range []struct {
		id      string
		side    Side
		risk    bool // --accept-risk makes it a note
		provoke func(t *testing.T, f *fixture)
	}{
		{"same-database", Both, false, func(t *testing.T, f *fixture) { f.o.Target = f.o.Source }},
		{"downgrade", Both, false, func(t *testing.T, f *fixture) {
			old := server(t, 14)
			f.o.Target = old.DSN(database(t, old))
		}},
		{"standby", Source, false, func(t *testing.T, f *fixture) { f.o.Source = standby(t).DSN("postgres") }},
		{"extension-absent", Target, false, func(t *testing.T, f *fixture) {
			f.onSource(t, "CREATE EXTENSION old_snapshot") // dropped in 17
			bare := server(t, 18)
			f.o.Target = bare.DSN(database(t, bare))
		}},
		{"large-objects", Source, true, func(t *testing.T, f *fixture) {
			f.o.LargeObjects = "no"
			f.onSource(t, "SELECT lo_create(0), lo_create(0)")
		}},
		{"large-object-labels", Source, true, func(t *testing.T, f *fixture) {
			f.onSource(t, `SET allow_system_table_mods = on; SELECT lo_create(5);
				INSERT INTO pg_seclabel VALUES (5, 'pg_largeobject'::regclass, 0, 'selinux', 'secret')`)
		}},
		{"superuser-objects", Target, true, func(t *testing.T, f *fixture) {
			f.asRoles(t)
			f.onSource(t, "CREATE FUNCTION raw(int) RETURNS int LANGUAGE internal STRICT AS 'int4abs'")
		}},
		{"pg-dump", Here, false, func(t *testing.T, f *fixture) {
			f.src, f.dst = server(t, 18), server(t, 18)
			f.o.Source, f.o.Target = f.src.DSN(database(t, f.src)), f.dst.DSN(database(t, f.dst))
			f.o.PgDump = "/usr/lib/postgresql/15/bin/pg_dump"
		}},
		{"replication-connection", Source, false, func(t *testing.T, f *fixture) {
			c := own(t, cluster.Config{Version: 15, HBA: "host all all 127.0.0.1/32 trust\nlocal all all trust\n", Settings: map[string]string{"max_wal_senders": "0"}})
			f.o.Source = c.DSN(database(t, c))
		}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			f := newFixture(t, nil, false)
			tt.provoke(t, f)
			finding := f.check(t).find(tt.id, tt.side)
			if finding == nil || finding.Level != Must || finding.Hint == "" {
				t.Fatalf("not found, or without a hint: %+v", finding)
			}
			f.o.AcceptRisk = true
			if after := f.check(t).find(tt.id, tt.side); (after.Level == Note) != tt.risk {
				t.Errorf("with accepted risk: %+v", after)
			}
		})
	}
}

// standby is a server that recovers for ever.
func standby(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := own(t, cluster.Config{Version: 15})
	if err := c.Stop(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	signal(t, c)
	if err := c.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// A selection bounds what the check looks at.
func TestSelection(t *testing.T) {
	f := newFixture(t, nil, false)
	f.onSource(t, "CREATE SCHEMA other; CREATE TABLE other.keyless (x int)")
	f.onTarget(t, "CREATE SCHEMA other; CREATE TABLE other.stands (x int)")
	if r := f.check(t); r.find("no-identity", Source) == nil || r.find("empty", Target).Level != Must {
		t.Error("all: the keyless table and what stands in the target are not found")
	}
	f.o.Select = schema.Selection{Schemas: []string{"public"}}
	r := f.check(t)
	if r.find("no-identity", Source) != nil || r.find("empty", Target).Level != OK || len(r.Plan.Tables) != 1 {
		t.Errorf("public only: %d tables, %+v", len(r.Plan.Tables), r.find("empty", Target))
	}
}
