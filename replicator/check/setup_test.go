package check

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/pg"
	"replicator/replicator/source"
)

// move is a source and a target database with roles of their own, set up by the SQL that is printed.
type move struct {
	c                      *cluster.Cluster
	source, target         string // databases
	owner, reader          string // of the application
	sourceRole, targetRole string
}

// newMove makes an application's database: objects of a role that is no superuser, in public and in a
// schema of its own, a table without any key, policies, a sequence, and a right taken from PUBLIC.
func newMove(t *testing.T, version int) *move {
	t.Helper()
	c := server(t, version)
	m := &move{c: c, source: database(t, c), target: database(t, c), owner: newName("app-owner"), reader: newName("App Reader"),
		sourceRole: newName("move_source"), targetRole: newName("move_target")}
	do(t, open(t, c.DSN(m.source)), strings.NewReplacer("@owner", pg.Ident(m.owner), "@reader", pg.Ident(m.reader)).Replace(`
		CREATE ROLE @owner LOGIN; CREATE ROLE @reader;
		CREATE SCHEMA ward AUTHORIZATION @owner;
		CREATE TABLE ward.patient (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
		CREATE TABLE ward.audit (at timestamptz, what text);
		CREATE TABLE ward.note (id int PRIMARY KEY, patient bigint REFERENCES ward.patient);
		CREATE TABLE public.setting (name text PRIMARY KEY);
		ALTER TABLE ward.patient OWNER TO @owner; ALTER TABLE ward.audit OWNER TO @owner; ALTER TABLE ward.note OWNER TO @owner;
		ALTER TABLE public.setting OWNER TO @owner;
		CREATE SEQUENCE ward.ticket; ALTER SEQUENCE ward.ticket OWNER TO @owner; ALTER SEQUENCE ward.ticket OWNED BY ward.note.id;
		ALTER TABLE ward.note ENABLE ROW LEVEL SECURITY;
		GRANT SELECT ON ward.patient TO @reader;
		REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create(oid) FROM PUBLIC;
		INSERT INTO ward.patient (name) SELECT 'p' FROM generate_series(1, 3);
		INSERT INTO ward.note VALUES (1, 1), (2, 2); INSERT INTO ward.audit VALUES (now(), 'x')`))
	return m
}

// setUp runs what is printed, twice: all of it can be repeated.
func (m *move) setUp(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	src, err := SourceSetup(ctx, SetupOptions{DSN: m.c.DSN(m.source), Role: m.sourceRole})
	if err != nil {
		t.Fatal(err)
	}
	dst, err := TargetSetup(ctx, SetupOptions{DSN: m.c.DSN(m.target), SourceDSN: m.c.DSN(m.source), Role: m.targetRole})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		psql(t, m.c.DSN(m.source), src)
		psql(t, m.c.DSN(m.target), dst)
	}
}

// The rights are proved by using them, on the oldest version, Debian's, and the newest.
var versions = []int{14, 15, 18}

func TestSourceRights(t *testing.T) {
	for _, version := range versions {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			m := newMove(t, version)
			m.setUp(t)
			execute(t, m.c.DSN(m.source), "CREATE TABLE ward.later (x int); INSERT INTO ward.later VALUES (1)")
			conn := open(t, m.c.DSNAs(m.sourceRole, m.source))
			for table, rows := range map[string]string{"ward.patient": "3", "ward.note": "2", "ward.audit": "1", "ward.later": "1"} {
				if got := value(t, conn, "SELECT count(*) FROM "+table); got != rows {
					t.Errorf("%s: %s rows, want %s", table, got, rows)
				}
			}
			value(t, conn, "SELECT last_value FROM ward.ticket")
			denied(t, conn, "DELETE FROM ward.audit")
			denied(t, conn, "CREATE SCHEMA mine")

			m.seesOthers(t, conn)
			m.decodes(t, conn)
		})
	}
}

// seesOthers: pg_monitor shows whom the slot would wait for.
func (m *move) seesOthers(t *testing.T, conn *pg.Conn) {
	t.Helper()
	other := open(t, m.c.DSN(m.source))
	do(t, other, "BEGIN; INSERT INTO ward.audit VALUES (now(), 'y')")
	if got := value(t, conn, "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()"); got != "1" {
		t.Errorf("sees %s transactions of others, want 1", got)
	}
	do(t, other, "ROLLBACK")
}

// decodes makes a slot, finds the publication, and removes it.
func (m *move) decodes(t *testing.T, conn *pg.Conn) {
	t.Helper()
	repl, err := pg.Connect(t.Context(), pg.Config{DSN: m.c.DSNAs(m.sourceRole, m.source), Replication: true})
	if err != nil {
		t.Fatal(err)
	}
	defer repl.Close()
	do(t, repl, "CREATE_REPLICATION_SLOT "+newName("slot")+" TEMPORARY LOGICAL pgoutput")
	do(t, conn, "SELECT lo_unlink(lo_create(0))") // as slot.Create behind it
	name := source.DefaultName(m.source)
	want := "public.setting ward.note ward.patient" // never ward.audit
	got := value(t, conn, "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1) FROM (SELECT * FROM pg_publication_tables WHERE pubname = "+pg.Literal(name)+" ORDER BY 1, 2, 3) AS p")
	if names := strings.Fields(got); len(names) != 3 || !strings.Contains(got, "ward.note") || strings.Contains(got, "audit") {
		t.Errorf("publication has %s, want %s", got, want)
	}
	do(t, conn, "DROP PUBLICATION "+pg.Ident(name))
}

func TestTargetRights(t *testing.T) {
	for _, version := range versions {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			m := newMove(t, version)
			m.setUp(t)
			conn := open(t, m.c.DSNAs(m.targetRole, m.target))
			m.makesSchema(t, conn)
			m.writesAsReplica(t, conn)
			m.finishes(t, conn)
			denied(t, conn, "CREATE ROLE somebody")
			if value(t, conn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") != "f" {
				t.Error("the role is a superuser")
			}
		})
	}
}

// makesSchema makes objects the way pg_restore does, and gives them away.
func (m *move) makesSchema(t *testing.T, conn *pg.Conn) {
	t.Helper()
	do(t, conn, strings.NewReplacer("@owner", pg.Ident(m.owner), "@reader", pg.Ident(m.reader)).Replace(`
		CREATE SCHEMA replicator; CREATE TABLE replicator.step (x int);
		CREATE SCHEMA ward; ALTER SCHEMA ward OWNER TO @owner;
		CREATE TABLE ward.patient (id bigint NOT NULL, name text); ALTER TABLE ward.patient OWNER TO @owner;
		ALTER TABLE ward.patient ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME ward.patient_id_seq);
		CREATE TABLE ward.note (id int, patient bigint); ALTER TABLE ward.note OWNER TO @owner;
		CREATE TABLE public.setting (name text); ALTER TABLE public.setting OWNER TO @owner;
		CREATE SEQUENCE ward.ticket; ALTER SEQUENCE ward.ticket OWNER TO @owner; ALTER SEQUENCE ward.ticket OWNED BY ward.note.id;
		CREATE FUNCTION ward.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END';
		ALTER FUNCTION ward.refuse() OWNER TO @owner;
		CREATE TRIGGER refuse BEFORE INSERT ON ward.patient FOR EACH ROW EXECUTE FUNCTION ward.refuse();
		COMMENT ON TABLE ward.patient IS 'x';
		GRANT SELECT ON ward.patient TO @reader`))
}

// writesAsReplica: COPY, UPDATE, DELETE and TRUNCATE into what belongs to the owner, without its
// triggers, in several transactions of one session.
func (m *move) writesAsReplica(t *testing.T, conn *pg.Conn) {
	t.Helper()
	if m.c == shared.open[14] {
		denied(t, conn, "SET session_replication_role = replica")
		do(t, conn, "SELECT "+replicaFunction+"()")
	} else {
		do(t, conn, "SET session_replication_role = replica")
	}
	for i, rows := range []string{"1\ta\n", "2\tb\n"} {
		n, err := conn.CopyFrom(t.Context(), io.Reader(strings.NewReader(rows)), "COPY ward.patient (id, name) FROM STDIN")
		if err != nil || n != 1 {
			t.Fatalf("COPY %d: %d rows, %v", i, n, err)
		}
	}
	do(t, conn, "UPDATE ward.patient SET name = 'c' WHERE id = 1; DELETE FROM ward.patient WHERE id = 2; INSERT INTO ward.note VALUES (1, 1)")
	do(t, conn, "BEGIN; TRUNCATE ONLY ward.note; ROLLBACK")
	if got := value(t, conn, "SELECT count(*) FROM ward.patient"); got != "1" {
		t.Errorf("%s rows, want 1", got)
	}
}

// finishes does what comes after the rows.
func (m *move) finishes(t *testing.T, conn *pg.Conn) {
	t.Helper()
	do(t, conn, `CREATE UNIQUE INDEX patient_pkey ON ward.patient (id); ALTER TABLE ward.patient ADD CONSTRAINT patient_pkey PRIMARY KEY USING INDEX patient_pkey`)
	do(t, conn, `ALTER TABLE ward.note ADD FOREIGN KEY (patient) REFERENCES ward.patient NOT VALID; ALTER TABLE ward.note VALIDATE CONSTRAINT note_patient_fkey`)
	do(t, conn, `ALTER TABLE ward.patient ENABLE ALWAYS TRIGGER refuse; ALTER TABLE ward.note ENABLE ROW LEVEL SECURITY; SELECT setval('ward.ticket', 7)`)
	do(t, conn, "INSERT INTO ward.note VALUES (2, 1)")
	do(t, conn, "ANALYZE ward.patient")
	if got := value(t, conn, "SELECT reltuples FROM pg_class WHERE oid = 'ward.patient'::regclass"); got != "1" {
		t.Errorf("after ANALYZE the table has %s rows, want 1", got)
	}
}

// After the setup the check has nothing to complain of, with just these roles.
func TestSetupSatisfiesCheck(t *testing.T) {
	for _, version := range versions {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			m := newMove(t, version)
			m.setUp(t)
			r, err := Run(t.Context(), Options{Source: m.c.DSNAs(m.sourceRole, m.source), Target: m.c.DSNAs(m.targetRole, m.target)})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Findings {
				if f.Level == Must && f.ID != "pg-dump" {
					t.Errorf("%s %s: %s: %s", f.Side, f.ID, f.Subject, f.Text)
				}
			}
			for _, id := range []string{"replica-role", "guard"} {
				if f := r.find(id, Target); f == nil || f.Level != OK {
					t.Errorf("%s: %+v", id, f)
				}
			}
		})
	}
}

// Without a DSN the SQL is general: it runs on every version, in whatever database.
func TestGeneralSetup(t *testing.T) {
	for _, version := range versions {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			c := server(t, version)
			db, role := database(t, c), newName("general")
			src, err := SourceSetup(t.Context(), SetupOptions{Role: role})
			if err != nil {
				t.Fatal(err)
			}
			dst, err := TargetSetup(t.Context(), SetupOptions{Role: role})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				psql(t, c.DSN(db), src)
				psql(t, c.DSN(db), dst)
			}
			conn := open(t, c.DSNAs(role, db))
			do(t, conn, "CREATE SCHEMA mine")
			if version < 15 {
				do(t, conn, "SELECT "+replicaFunction+"()")
			} else {
				do(t, conn, "SET session_replication_role = replica")
			}
		})
	}
}

// What stands in comments is for --fence database only, and is enough for it.
func TestFencePart(t *testing.T) {
	m := newMove(t, 15)
	sql, err := SourceSetup(t.Context(), SetupOptions{DSN: m.c.DSN(m.source), Role: m.sourceRole})
	if err != nil {
		t.Fatal(err)
	}
	psql(t, m.c.DSN(m.source), sql)
	conn := open(t, m.c.DSNAs(m.sourceRole, m.source))
	fence := "ALTER DATABASE " + pg.Ident(m.source) + " SET default_transaction_read_only = on"
	denied(t, conn, fence)
	var optional strings.Builder
	for line := range strings.SplitSeq(sql, "\n") {
		if stmt, is := strings.CutPrefix(line, "--   "); is && !strings.HasPrefix(stmt, "host") {
			optional.WriteString(stmt + "\n")
		}
	}
	psql(t, m.c.DSN(m.source), optional.String())
	other := open(t, m.c.DSNAs(m.owner, m.source))
	do(t, conn, fence)
	do(t, conn, "SELECT pg_terminate_backend("+fmt.Sprint(other.Raw().PID())+", 5000)")
	if err := other.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the other session lives on")
	}
}

// With --no-key full the tables without identity get one and are published.
func TestSetupNoKeyFull(t *testing.T) {
	m := newMove(t, 15)
	sql, err := SourceSetup(t.Context(), SetupOptions{DSN: m.c.DSN(m.source), Role: m.sourceRole, NoKey: "full"})
	if err != nil {
		t.Fatal(err)
	}
	psql(t, m.c.DSN(m.source), sql)
	conn := open(t, m.c.DSN(m.source))
	if got := value(t, conn, "SELECT relreplident FROM pg_class WHERE oid = 'ward.audit'::regclass"); got != "f" {
		t.Errorf("identity of ward.audit is %s", got)
	}
	if got := value(t, conn, "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'audit'"); got != "1" {
		t.Error("ward.audit is not published")
	}
	do(t, conn, "UPDATE ward.audit SET what = 'z'")
}
