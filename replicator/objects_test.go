package replicator_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/bench/zoo"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
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

// zooTable is a table with a column of each type.
func zooTable(name string, types [][]string) string {
	columns := make([]string, len(types))
	for i, z := range types {
		columns[i] = fmt.Sprintf("c%d %s", i, z[0])
	}
	return "CREATE TABLE " + name + " (k int PRIMARY KEY, " + strings.Join(columns, ", ") + ");"
}

// zooRows fills literal number n of each type, 0 being NULL, into rows from first on; zooChanges makes
// every column of them another value.
func zooRows(name string, types [][]string, n, first, last int) string {
	values := make([]string, len(types))
	for i, z := range types {
		values[i] = literal(z, n)
	}
	return fmt.Sprintf("INSERT INTO %s SELECT g, %s FROM generate_series(%d, %d) g;", name, strings.Join(values, ", "), first, last)
}

func zooChanges(name string, types [][]string, n int, where string) string {
	set := make([]string, len(types))
	for i, z := range types {
		set[i] = fmt.Sprintf("c%d = %s", i, literal(z, n))
	}
	return fmt.Sprintf("UPDATE %s SET %s WHERE %s;", name, strings.Join(set, ", "), where)
}

func literal(z []string, n int) string {
	if n == 0 {
		return "NULL"
	}
	return z[n]
}

// TestEveryTypeMoves takes every type there is through copy, changes of each column, and the fence, to a
// server on which the types have other OIDs. A table that must travel as text takes the whole stream
// with it, but not one whose only such values are OIDs of what has a name: all ways are tried.
func TestEveryTypeMoves(t *testing.T) {
	for name, pointers := range map[string][][]string{"binary": nil, "named": zoo.Named, "text": slices.Concat(zoo.Named, zoo.Text, zoo.Types[len(zoo.Binary):])} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
			p.exec(p.target, "CREATE TYPE unlike AS ENUM ('a'); CREATE TYPE unlike_too AS (a unlike); CREATE TABLE unlike_three (); DROP TABLE unlike_three; DROP TYPE unlike_too; DROP TYPE unlike")
			tables := map[string][][]string{"zoo": zoo.Binary}
			p.exec(p.source, zoo.Setup+`CREATE EXTENSION ltree; CREATE EXTENSION pg_trgm; CREATE EXTENSION pgcrypto; CREATE EXTENSION btree_gist;
				CREATE TABLE ext (k int PRIMARY KEY, path ltree, paths ltree[], q lquery, name text, during tstzrange, EXCLUDE USING gist (k WITH =, during WITH &&));
				CREATE INDEX ON ext USING gist (path); CREATE INDEX ON ext USING gin (name gin_trgm_ops);
				CREATE TABLE loose (at regclass, n int, note text); ALTER TABLE loose REPLICA IDENTITY FULL;
				INSERT INTO loose SELECT CASE WHEN g % 3 > 0 THEN 'pg_class'::regclass END, g / 2, 'x' FROM generate_series(1, 40) g;
				INSERT INTO ext SELECT g, 'a.b', '{a,b.c}', '*.b{1}', 'x' || g, tstzrange(now(), NULL) FROM generate_series(1, 50) g;
				CREATE TABLE documents (k int PRIMARY KEY, doc xml); INSERT INTO documents VALUES (2, E'\n<a/>\n'), (3, '<?xml version="1.0"?><a>é</a>'), (4, E'<a>\n\n</a>')`)
			if pointers != nil {
				tables["pointers"] = pointers
			}
			p.o.Acknowledge = "all"                                                  // of the columns of xml
			for _, name := range slices.Backward(slices.Sorted(maps.Keys(tables))) { // zoo first, which pointers name
				types := tables[name]
				p.exec(p.source, zooTable(name, types))
				for n := range 4 {
					p.exec(p.source, zooRows(name, types, n, 100*n, 100*n+20))
				}
			}
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			how := p.value(p.source, "SELECT query FROM pg_stat_activity WHERE backend_type = 'walsender'")
			if binary := strings.Contains(how, "binary 'true'"); binary != (name != "text") {
				t.Errorf("the stream comes by %s", how)
			}
			for name, types := range tables {
				for n := range 4 {
					p.exec(p.source, zooChanges(name, types, (n+1)%4, fmt.Sprintf("k BETWEEN %d AND %d", 100*n, 100*n+5)))
					p.exec(p.source, zooRows(name, types, n, 1000+100*n, 1000+100*n+20))
				}
				p.exec(p.source, "DELETE FROM "+name+" WHERE k % 7 = 0")
			}
			p.exec(p.source, "UPDATE loose SET note = 'y', at = 'zoo' WHERE n % 4 = 0; DELETE FROM loose WHERE n % 5 = 1; INSERT INTO loose SELECT 'ext', g, 'z' FROM generate_series(50, 90) g; UPDATE loose SET n = -n WHERE at IS NULL OR n > 80")
			p.exec(p.source, `UPDATE ext SET path = 'c.d', paths = NULL, q = 'x|y', name = name || 'é', during = 'empty'; UPDATE documents SET doc = E'<b/>\n\n' WHERE k = 2;
				INSERT INTO documents VALUES (5, E'\n<c/>'), (6, '')`)
			p.mustCatchup()
			<-e.gone
			p.compare()
		})
	}
}

// TestRowsThatNameIndexes: a regclass that names an index has no name on the target before the index is
// built. Its table is copied at the fence, also with what was written meanwhile; the publication that the
// printed SQL makes is without it.
func TestRowsThatNameIndexes(t *testing.T) {
	p := newPair(t, ownServer(t, cluster.Config{}), ownServer(t, cluster.Config{}))
	p.exec(p.source, `CREATE TABLE bed (id int PRIMARY KEY, n int); CREATE INDEX "Bed n" ON bed (n); INSERT INTO bed SELECT i, i FROM generate_series(1, 50) i;
		CREATE TABLE kept (what regclass PRIMARY KEY, n int); INSERT INTO kept VALUES ('bed', 1), ('"Bed n"', 2), ('pg_class', 3);
		CREATE TABLE named (what regclass PRIMARY KEY, n int); INSERT INTO named VALUES ('bed', 1);
		GRANT CREATE ON SCHEMA public TO ward; ALTER TABLE bed OWNER TO ward; ALTER TABLE kept OWNER TO ward; ALTER TABLE named OWNER TO ward`)
	m := &move{p, p.value(p.source, "SELECT current_database()"), p.value(p.target, "SELECT current_database()")}
	m.setUp(source.FenceDatabase)
	m.noSuperuser()
	m.mustCheck()
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, `INSERT INTO kept VALUES ('bed_pkey', 4); UPDATE kept SET n = 7 WHERE what = '"Bed n"'::regclass; INSERT INTO named VALUES ('"Bed n"', 2)`)
	p.mustCatchup()
	<-e.gone
	p.compare()
	p.compareSchema()
	if v := p.value(p.target, "SELECT string_agg(what || ' ' || n, ', ' ORDER BY n) FROM kept"); v != `bed 1, pg_class 3, bed_pkey 4, "Bed n" 7` {
		t.Errorf("the target has %s", v)
	}
}
