package replicator_test

import (
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/status"
)

// TestEnumValueAddedLive: a value that a type gets while the job follows is in no stream. The job stops
// before the row that has it, and goes on once the type has it on the target, too.
func TestEnumValueAddedLive(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE ward (id int PRIMARY KEY, m mood); INSERT INTO ward VALUES (1, 'ok')")
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "ALTER TYPE mood ADD VALUE '"+canary+"'")
	p.exec(p.source, "INSERT INTO ward VALUES (2, '"+canary+"')")
	<-e.gone
	if e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), "ward") {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	p.exec(p.target, "ALTER TYPE mood ADD VALUE '"+canary+"'")
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchupWithout("schema type public.mood")
	<-e.gone
	p.compare()
}

// recode makes both databases of the pair anew.
func (p *pair) recode(dsn, encoding string) {
	p.t.Helper()
	name := p.value(dsn, "SELECT current_database()")
	c := p.connect(strings.Replace(dsn, "/"+name, "/postgres", 1))
	defer c.Close()
	for _, sql := range []string{"DROP DATABASE " + pg.Ident(name), "CREATE DATABASE " + pg.Ident(name) + " TEMPLATE template0 ENCODING '" + encoding + "' LC_COLLATE 'C' LC_CTYPE 'C'"} {
		if err := c.Exec(p.t.Context(), sql); err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestEncodings: what a source of another encoding holds is the same text on the target, also names of
// objects, and what is no text at all is refused by the name of its table.
func TestEncodings(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.recode(p.source, "LATIN1")
	p.exec(p.source, "CREATE TABLE \"Ärzte\" (id int PRIMARY KEY, \"größe\" text, c char(3), m jsonb); INSERT INTO \"Ärzte\" VALUES (1, 'Grüße', 'é', '{\"ü\": \"ß\"}'); COMMENT ON TABLE \"Ärzte\" IS 'für alle'")
	p.o.Acknowledge = "all"
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "INSERT INTO \"Ärzte\" VALUES (2, '', NULL, NULL), (3, 'naïve £', 'ñ', '[]'); UPDATE \"Ärzte\" SET \"größe\" = 'Müller' WHERE id = 1")
	p.mustCatchup()
	<-e.gone
	all := "SELECT string_agg(x::text, '|' ORDER BY id) FROM \"Ärzte\" x"
	if s, tgt := p.value(p.source, all), p.value(p.target, all); s != tgt {
		t.Errorf("source %q, target %q", s, tgt)
	}
	q := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	q.recode(q.source, "SQL_ASCII")
	q.exec(q.source, "SET client_encoding = SQL_ASCII; CREATE TABLE fine (id int PRIMARY KEY, x text); CREATE TABLE ward (id int PRIMARY KEY, name text); INSERT INTO fine VALUES (1, 'Grüße')")
	q.exec(q.source, `SET client_encoding = SQL_ASCII; INSERT INTO ward VALUES (1, E'\xe4 `+canary+`')`)
	q.o.Acknowledge = "all"
	code, out := q.ends()
	if code != fault.Preflight || !strings.Contains(out, "error: move chunk 0 of public.ward") || !strings.Contains(out, "character_not_in_repertoire") {
		t.Errorf("bytes that are no text: ended with %d:\n%s", code, out)
	}
}
