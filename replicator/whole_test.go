package replicator_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"replicator/bench/cluster"
	"replicator/bench/odd"
	"replicator/bench/zoo"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// TestNastyDatabase moves the schema that has broken migration tools, every type and the clinical
// database together, with no more rights than the printed SQL gives, while all of it is written to.
func TestNastyDatabase(t *testing.T) {
	m := newMove(t, 15, 15)
	script, err := os.ReadFile("schema/testdata/nasty.sql")
	if err != nil {
		t.Fatal(err)
	}
	m.exec(m.source, strings.ReplaceAll(string(script), "CREATE EXTENSION", "CREATE EXTENSION IF NOT EXISTS"))
	m.exec(m.source, "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public; SET ROLE \"nasty-owner\"; SET search_path = public;"+
		strings.NewReplacer("CREATE EXTENSION hstore;", "", "CREATE EXTENSION citext;", "").Replace(zoo.Setup)+
		zooTable("zoo", zoo.Types)+zooRows("zoo", zoo.Types, 0, 1, 10)+zooRows("zoo", zoo.Types, 1, 11, 40))
	m.exec(m.source, scans)
	m.setUp(source.FenceDatabase)
	m.noSuperuser()
	m.mustCheck()
	m.o.Acknowledge = "all"
	wards := m.startWards()
	w := m.startWriter(m.source, seedOf(t), append([]string{zooChanges("zoo", zoo.Types, 2, "k = #"), zooChanges("zoo", zoo.Types, 0, "k = #"), strings.ReplaceAll(zooRows("zoo", zoo.Types, 2, -1, -1), "-1, -1", "@, @")}, nastyWrites...))
	e := startEngine(t, orders{Options: m.o})
	e.mustReach(m.o.Dir, status.Following)
	w.stop()
	wards.stop(t)
	m.mustCatchup()
	<-e.gone
	if e.code != 0 {
		t.Errorf("engine ended with %d:\n%s", e.code, e.out)
	}
	m.same()
	m.cleanUp()
}

// nastyWrites are what the users of testdata/nasty.sql go on to do.
var nastyWrites = []string{
	`UPDATE emr.patient SET "Full Name" = 'name @', doc = decode(md5('@'), 'hex') WHERE id = 10`,
	"INSERT INTO emr.obs (taken, kind, patient, val) VALUES ('2025-12-01'::date + @ % 500, (ARRAY['red', 'green', 'yellow'])[1 + @ % 3]::emr.triage, 10, #)",
	"UPDATE emr.obs SET taken = taken + 200 WHERE id = #", "DELETE FROM emr.obs WHERE id = #", "INSERT INTO emr.obs_note SELECT id, taken, kind FROM emr.obs WHERE id = #",
	"INSERT INTO emr.audit (what, who) VALUES ('{\"n\": @}', 1)", "INSERT INTO emr.cache VALUES ('@', '\\x@')", "DELETE FROM emr.cache WHERE k < '@'",
	"INSERT INTO emr.counted (k) VALUES (1)", "SELECT nextval('emr.free')", "INSERT INTO emr.with_serial VALUES (DEFAULT, DEFAULT, DEFAULT)",
	"INSERT INTO emr.event VALUES (@, now())", "INSERT INTO emr.event_local VALUES (@, now(), 'here')", "INSERT INTO emr.event_odd VALUES (now(), @, 4)", "UPDATE emr.event SET added = '@' WHERE id % 7 = # % 7",
	"INSERT INTO emr.person VALUES (@, 1, 1)", "UPDATE emr.person SET boss = id WHERE id > 1 AND id % 5 = # % 5", "DELETE FROM emr.person WHERE id = @ - #",
	"INSERT INTO emr.ident VALUES (@, @, @)", "UPDATE emr.ident SET b = -b WHERE b > 2", "INSERT INTO emr.ident_full VALUES (@, 'x')", "UPDATE emr.ident_full SET b = NULL WHERE a = @ - #",
	"INSERT INTO emr.deferred_key VALUES (@)", "INSERT INTO emr.nothing DEFAULT VALUES", "INSERT INTO emr.room_use VALUES (@, '[2026-01-01,2026-01-02)', #)", "INSERT INTO \"Ward \"\"3\"\"\".bed VALUES (@)",
	"INSERT INTO emr.second VALUES (@, 10)", "INSERT INTO public.in_public VALUES (@, @)",
	"UPDATE emr.broken_dose SET n = @ WHERE id = 1", "INSERT INTO emr.broken VALUES (@, 1)", "INSERT INTO emr.broken_late VALUES (@)", "INSERT INTO emr.whole VALUES (@, 1)", "UPDATE public.in_public SET b = b + 1 WHERE a = @ - #",
}

// TestOddDatabase moves a database of odd objects, made at random, while its users go on writing, and
// holds everything in it against the source: as superusers, and with no more rights than the printed SQL
// gives; near or through a link, and to the version, that the seed says, or to REPLICATOR_ODD_TO.
// REPLICATOR_ODD is another number of tables.
func TestOddDatabase(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(map[bool]string{false: "superuser", true: "plain"}[plain], func(t *testing.T) {
			t.Parallel()
			seed := seedOf(t)
			p := newPair(t, ownServer(t, cluster.Config{}), ownServer(t, cluster.Config{Version: number(t, "REPLICATOR_ODD_TO", 15+int(seed%4))}))
			p.moveOdd(seed, odd.Make(seed, number(t, "REPLICATOR_ODD", 20), 15, plain), plain)
		})
	}
}

// number is a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *pair) moveOdd(seed uint64, d *odd.Database, plain bool) {
	p.t.Helper()
	for _, dsn := range []string{p.source, p.target} {
		p.statements(dsn, slices.Concat(d.Roles, d.Begin))
	}
	app := p.source
	if plain {
		app = p.sourceC.DSNAs(odd.Names[0], p.value(p.source, "SELECT current_database()"))
	}
	p.statements(app, d.Setup)
	if plain {
		m := &move{p, p.value(p.source, "SELECT current_database()"), p.value(p.target, "SELECT current_database()")}
		m.setUp(source.FenceDatabase)
		m.noSuperuser()
		m.mustCheck()
	}
	if seed>>2%2 == 0 {
		p.far()
	}
	p.o.Acknowledge = "all"
	w := p.startWriter(app, seed, d.Writes)
	e := startEngine(p.t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	w.stop()
	p.mustCatchup()
	<-e.gone
	if e.code != 0 {
		p.t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	p.same()
}

// same holds both sides against each other: rows, large objects, sequences, definitions.
func (p *pair) same() {
	p.t.Helper()
	p.compare()
	p.compareSequences()
	p.sameObjects()
	p.compareSchema()
}

// statements runs them one by one.
func (p *pair) statements(dsn string, sql []string) {
	p.t.Helper()
	c := p.connect(dsn)
	defer c.Close()
	for _, s := range sql {
		if err := c.Exec(context.Background(), s); err != nil {
			p.t.Fatalf("%v in %s", err, s)
		}
	}
}

// writer goes on with a database's writes until it is stopped.
type writer struct{ stop func() }

func (p *pair) startWriter(dsn string, seed uint64, writes []string) *writer {
	p.t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	c := p.connect(dsn)
	end, ended := make(chan struct{}), make(chan struct{})
	w := &writer{sync.OnceFunc(func() { close(end); <-ended; c.Close() })}
	p.t.Cleanup(w.stop)
	go func() {
		defer close(ended)
		for n := 1000; ; n++ {
			select {
			case <-end:
				return
			default:
			}
			sql := odd.Fill(writes[r.IntN(len(writes))], n, 1+r.IntN(odd.Rows))
			if err := c.Exec(context.Background(), sql); err != nil && !strings.HasPrefix(pg.State(err), "23") && pg.State(err) != "2200H" && pg.State(err) != "42501" {
				p.t.Errorf("%v in %s", err, sql)
				return
			}
		}
	}()
	return w
}
