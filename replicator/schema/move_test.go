package schema_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"replicator/bench/cluster"
	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// nastyDSN is a database with testdata/nasty.sql, made once: its roles belong to the whole server.
var nastyDSN = sync.OnceValues(func() (string, error) {
	ctx := context.Background()
	script, err := os.ReadFile("testdata/nasty.sql")
	if err != nil {
		return "", err
	}
	dsn, err := server.CreateDatabase(ctx, "nasty")
	if err != nil {
		return "", err
	}
	conn, err := pg.Connect(ctx, pg.Config{DSN: dsn})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return dsn, conn.Exec(ctx, string(script))
})

func nasty(t *testing.T) string {
	t.Helper()
	dsn, err := nastyDSN()
	check(t, err)
	return dsn
}

// plan dumps a database as its DSN's role and plans the move.
func plan(t *testing.T, dsn string, sel schema.Selection) ([]chunker.Table, *schema.Work) {
	t.Helper()
	return planTo(t, dsn, sel, 15)
}

// planTo plans for a target of the major version.
func planTo(t *testing.T, dsn string, sel schema.Selection, version int) ([]chunker.Table, *schema.Work) {
	t.Helper()
	tables, err := schema.Tables(t.Context(), connect(t, dsn), sel)
	check(t, err)
	return tables, planOf(t, dsn, sel, tables, version)
}

func planOf(t *testing.T, dsn string, sel schema.Selection, tables []chunker.Table, version int) *schema.Work {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "schema")
	tools, err := schema.Dump(t.Context(), schema.DumpConfig{DSN: dsn, File: archive, Selection: sel})
	check(t, err)
	entries, err := schema.Entries(t.Context(), tools.Restore, archive)
	check(t, err)
	facts, err := schema.ReadFacts(t.Context(), connect(t, dsn), sel)
	check(t, err)
	facts.Target = version * 10000
	work, err := schema.Plan(entries, tables, facts)
	check(t, err)
	return work
}

// mover runs a plan the way the engine does, in one session.
type mover struct {
	t         *testing.T
	src       *pg.Conn // as a superuser
	dst       *pg.Conn
	tolerated []string
	seen      map[string]bool
	become    bool // become the owner even where his rights are inherited
}

func newMover(t *testing.T, source, target string) *mover {
	return &mover{t: t, src: connect(t, source), dst: connect(t, target), seen: map[string]bool{}}
}

// all runs every stage in the order of DESIGN.md section 4, with the rows in between.
func (m *mover) all(tables []chunker.Table, w *schema.Work) {
	m.t.Helper()
	m.steps(w.Pre)
	m.rows(tables, false)
	for _, byTable := range []map[int][]schema.Step{w.Table, w.Unique} {
		for i := range tables {
			m.steps(byTable[i])
		}
	}
	m.steps(w.Constraints)
	m.steps(w.Foreign)
	slices.Reverse(w.Validate) // in any order
	m.steps(w.Validate)
	m.rows(tables, true)
	for i := range tables {
		m.steps(w.Late[i])
	}
	m.steps(w.Finish)
}

func (m *mover) steps(list []schema.Step) {
	m.t.Helper()
	for i := range list {
		m.step(&list[i])
	}
}

func (m *mover) step(s *schema.Step) {
	m.t.Helper()
	if m.seen[s.ID] {
		m.t.Fatalf("step %s comes twice", s.ID)
	}
	m.seen[s.ID] = true
	settings := ""
	for k, v := range s.Settings {
		settings += fmt.Sprintf("SELECT set_config(%s, %s, true);\n", pg.Literal(k), pg.Literal(v))
	}
	err := m.dst.Exec(m.t.Context(), "BEGIN;\n"+settings+m.role(s.Owner, s.Kind)+s.SQL+"\nCOMMIT")
	if err == nil {
		return
	}
	if rollback := m.dst.Exec(m.t.Context(), "ROLLBACK"); rollback != nil {
		m.t.Fatal(rollback)
	}
	if !slices.Contains(s.Tolerate, pg.State(err)) {
		m.t.Fatalf("%s: %v in:\n%s%s", s.ID, err, m.role(s.Owner, s.Kind), s.SQL)
	}
	m.tolerated = append(m.tolerated, s.ID)
}

// role becomes the owner where our role has not his rights anyway, and to grant, as the target end does.
func (m *mover) role(owner, kind string) string {
	if owner == "" {
		return ""
	}
	row, err := m.dst.Row(m.t.Context(), `SELECT pg_has_role($1, 'USAGE'), pg_has_role($1, 'MEMBER'), rolsuper
		FROM pg_roles WHERE rolname = session_user`, owner)
	check(m.t, err)
	if row[1] == "f" || row[2] == "t" || row[0] == "t" && !m.become && kind != "ACL" {
		return ""
	}
	return "SET LOCAL ROLE " + pg.Ident(owner) + ";\n"
}

// undo takes Finish back and forgets that its steps have run.
func (m *mover) undo(steps []schema.Step) (again []schema.Step) {
	m.t.Helper()
	for _, s := range slices.Backward(steps) {
		if s.Undo == "" {
			continue
		}
		if err := m.dst.Exec(m.t.Context(), "BEGIN;\n"+m.role(s.Owner, s.Kind)+s.Undo+"\n;COMMIT"); err != nil {
			m.t.Fatalf("undo %s: %v in:\n%s", s.ID, err, s.Undo)
		}
		delete(m.seen, s.ID)
		again = append(again, s)
	}
	slices.Reverse(again)
	return again
}

// rows copies late tables or all others, in replica mode as the engine does.
func (m *mover) rows(tables []chunker.Table, late bool) {
	m.t.Helper()
	for i := range tables {
		t := &tables[i]
		if t.Late() != late {
			continue
		}
		list := ""
		if len(t.Columns) > 0 {
			list = " (" + t.ColumnList() + ")"
		}
		var buf bytes.Buffer
		if _, err := m.src.CopyTo(m.t.Context(), &buf, "COPY "+t.Qualified()+list+" TO STDOUT"); err != nil {
			m.t.Fatalf("read %s: %v", t, err)
		}
		execute(m.t, m.dst, "SET session_replication_role = replica")
		if _, err := m.dst.CopyFrom(m.t.Context(), &buf, "COPY "+t.Qualified()+list+" FROM STDIN"); err != nil {
			m.t.Fatalf("write %s: %v", t, err)
		}
		execute(m.t, m.dst, "RESET session_replication_role")
	}
}

// equal holds the schemas of both sides against each other.
func equal(t *testing.T, source, target string) {
	t.Helper()
	diffs, err := schema.Compare(t.Context(), source, target, schema.Selection{})
	check(t, err)
	for _, d := range diffs {
		if d.Schema == "emr" && d.Name == "event_odd" {
			continue // pg_dump gives it its parent's order of columns, which the plan notes
		}
		t.Errorf("%s\n--- source\n%s--- target\n%s", d, d.Source, d.Target)
	}
}

func TestMove(t *testing.T) {
	source, target := nasty(t), database(t, server)
	tables, work := plan(t, source, schema.Selection{})
	losses := manifestOf(t, connect(t, source), connect(t, target))
	for name, want := range map[string]bool{"event_odd": true, "event_late": true, "event_both": true, "event": false} {
		if got := slices.Contains(named(losses.Losses()), "order of columns emr."+name); got != want {
			t.Errorf("%s is noted: %t", name, got)
		}
	}
	m := newMover(t, source, target)
	m.all(tables, work)
	if len(m.tolerated) != 0 {
		t.Errorf("a superuser had to tolerate %q", m.tolerated)
	}
	equal(t, source, target)
	again := m.undo(work.Finish)
	if len(again) == 0 {
		t.Error("nothing of Finish can be undone")
	}
	m.steps(again)
	equal(t, source, target)
}

// TestMoveToOthers goes to every newer version that is installed, as a superuser and as a role that
// may become the owners but inherits nothing. Their schemas can be compared only where there is a
// pg_dump for them, so here it is enough that every step runs.
func TestMoveToOthers(t *testing.T) {
	source := nasty(t)
	for _, version := range cluster.Available("") {
		if version <= 15 {
			continue // the schema uses what 15 brought
		}
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			other := start(t, version)
			execute(t, connect(t, other.DSN("postgres")), nastyRoles+`CREATE ROLE plain LOGIN;
				GRANT pg_read_all_data, pg_write_all_data TO plain;
				GRANT "nasty-owner", nasty_second, nasty_app TO plain WITH INHERIT FALSE, SET TRUE;
				GRANT SET ON PARAMETER session_replication_role TO plain`)
			for _, role := range []string{"postgres", "plain"} {
				target := database(t, other)
				admin := connect(t, target)
				name, err := admin.Value(t.Context(), `SELECT current_database()`)
				check(t, err)
				execute(t, admin, `GRANT CREATE ON DATABASE `+pg.Ident(name)+` TO plain;
					GRANT CREATE ON SCHEMA public TO "nasty-owner", nasty_second`)
				tables, work := planTo(t, source, schema.Selection{}, version)
				m := newMover(t, source, as(t, target, role))
				m.all(tables, work)
				m.steps(m.undo(work.Finish))
				losses := named(manifestOf(t, connect(t, source), connect(t, target)).Losses())
				for _, leaf := range []string{"counted_2", "uncounted_1"} {
					if got := slices.Contains(losses, "identity of a partition emr."+leaf+".id"); got != (version >= 17) {
						t.Errorf("%s is named: %t", leaf, got)
					}
				}
				if got, err := admin.Value(t.Context(), "SELECT attidentity FROM pg_attribute WHERE attrelid = 'emr.counted_leaf'::regclass AND attname = 'id'"); err != nil || got != map[bool]string{false: "", true: "a"}[version >= 17] {
					t.Errorf("the identity of a partition of two levels is %q, %v", got, err)
				}
			}
		})
	}
}

// TestMoveFrom14 comes from the oldest version, without what 15 brought.
func TestMoveFrom14(t *testing.T) {
	script, err := os.ReadFile("testdata/nasty.sql")
	check(t, err)
	old := strings.NewReplacer(" NULLS NOT DISTINCT", "", "SET NULL (team)", "SET NULL").Replace(string(script))
	source := database(t, start(t, 14))
	execute(t, connect(t, source), old)
	server := start(t, 15)
	target := database(t, server)
	execute(t, connect(t, target), nastyRoles)
	tables, work := plan(t, source, schema.Selection{})
	newMover(t, source, target).all(tables, work)
	equal(t, source, target)
}

// TestMoveAsPlainRole moves with the grants of FACTS section 4 on both sides and no more, with
// owners' rights inherited and without.
func TestMoveAsPlainRole(t *testing.T) {
	source := nasty(t)
	other := start(t, 15)
	execute(t, connect(t, source), `CREATE ROLE plain_source LOGIN; GRANT pg_read_all_data, pg_monitor TO plain_source`)
	execute(t, connect(t, other.DSN("postgres")), nastyRoles+`CREATE ROLE plain_target LOGIN;
		GRANT pg_read_all_data, pg_write_all_data, "nasty-owner", nasty_second, nasty_app TO plain_target;
		GRANT SET ON PARAMETER session_replication_role TO plain_target`)
	for _, become := range []bool{true, false} {
		target := database(t, other)
		admin := connect(t, target)
		name, err := admin.Value(t.Context(), `SELECT current_database()`)
		check(t, err)
		execute(t, admin, `GRANT CONNECT, CREATE, TEMPORARY ON DATABASE `+pg.Ident(name)+` TO plain_target;
			GRANT CREATE ON SCHEMA public TO "nasty-owner", nasty_second`)
		tables, work := plan(t, as(t, source, "plain_source"), schema.Selection{})
		m := newMover(t, source, as(t, target, "plain_target"))
		m.become = become
		m.all(tables, work)
		if want := []string{"ACL SCHEMA \"public\"", "COMMENT SCHEMA \"public\""}; !slices.Equal(m.tolerated, want) {
			t.Errorf("tolerated %q, want %q", m.tolerated, want)
		}
		equal(t, source, target)
		m.steps(m.undo(work.Finish))
		equal(t, source, target)
	}
}

const nastyRoles = `CREATE ROLE "nasty-owner"; CREATE ROLE nasty_second; CREATE ROLE nasty_app; CREATE ROLE nasty_report;`

// start runs a server that ends with the test.
func start(t *testing.T, version int) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Version: version, InMemory: true})
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	return c
}

// as is a DSN of the same database for another role.
func as(t *testing.T, dsn, role string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	check(t, err)
	u.User = url.User(role)
	return u.String()
}
