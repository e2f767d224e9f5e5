package replicator_test

import (
	"context"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// subscription is a case of PostgreSQL's own subscription tests (src/test/subscription/t), told from
// outside: what is there before the copy, and what happens while the target follows. Each has a schema
// of its own.
type subscription struct {
	name   string // of the schema, after the file there
	before string
	during []string // each a transaction, unless it says otherwise
}

var subscriptions = []subscription{
	{"s001_rep_changes", `
		CREATE TABLE ins (a int PRIMARY KEY, b text);
		CREATE TABLE full_pk (a int PRIMARY KEY, b text); ALTER TABLE full_pk REPLICA IDENTITY FULL;
		CREATE TABLE full_dup (a int, b text); ALTER TABLE full_dup REPLICA IDENTITY FULL;
		CREATE TABLE by_index (a int, b int NOT NULL, c text); CREATE UNIQUE INDEX by_index_b ON by_index (b); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_b;
		CREATE TABLE identity_nothing (a int PRIMARY KEY, b text); ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING;
		CREATE TABLE keyless (a int); CREATE TABLE no_columns (); CREATE TABLE late_columns (a int); ALTER TABLE late_columns DROP a;
		CREATE TABLE include (a int, b text, c text, PRIMARY KEY (a) INCLUDE (b));
		INSERT INTO ins SELECT i, 'x' FROM generate_series(1, 100) i; INSERT INTO full_pk SELECT * FROM ins; INSERT INTO by_index SELECT a, a, b FROM ins;
		INSERT INTO full_dup SELECT i % 10, CASE WHEN i % 3 > 0 THEN 'x' END FROM generate_series(1, 100) i;
		INSERT INTO identity_nothing SELECT * FROM ins; INSERT INTO keyless SELECT a FROM ins; INSERT INTO no_columns DEFAULT VALUES; INSERT INTO include SELECT a, b, b FROM ins`,
		[]string{
			"INSERT INTO ins SELECT i, 'y' FROM generate_series(101, 200) i; UPDATE ins SET b = NULL WHERE a % 2 = 0; UPDATE ins SET a = -a WHERE a > 150; DELETE FROM ins WHERE a % 5 = 0",
			"UPDATE full_pk SET b = 'bar'; UPDATE full_pk SET a = a + 1000 WHERE a < 50; DELETE FROM full_pk WHERE a % 3 = 0",
			"UPDATE full_dup SET b = 'one of several' WHERE ctid = (SELECT min(ctid) FROM full_dup WHERE a = 3); DELETE FROM full_dup WHERE ctid IN (SELECT ctid FROM full_dup WHERE b IS NULL LIMIT 4); INSERT INTO full_dup VALUES (3, NULL), (3, NULL)",
			"UPDATE by_index SET a = NULL, b = b + 1000 WHERE b < 20; UPDATE by_index SET a = 0 WHERE b = 30; DELETE FROM by_index WHERE b BETWEEN 40 AND 50",
			"UPDATE identity_nothing SET b = 'changed'; DELETE FROM identity_nothing WHERE a < 10", // it must not fail
			"DELETE FROM keyless WHERE a < 10; UPDATE keyless SET a = a + 1; INSERT INTO no_columns DEFAULT VALUES; INSERT INTO late_columns DEFAULT VALUES",
			"UPDATE include SET b = 'included' WHERE a < 10; DELETE FROM include WHERE a = 11",
		}},
	{"s002_types", `
		CREATE TYPE mood AS ENUM ('a', 'b', 'c'); CREATE TYPE basic AS (a float, b text, c int); CREATE TYPE of_enum AS (a float, b mood, c int);
		CREATE TYPE of_enums AS (a float, b mood[], c int); CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE DOMAIN small AS positive CHECK (VALUE < 1000); CREATE DOMAIN pair AS basic CHECK ((VALUE).c > 0);
		CREATE TYPE floats AS RANGE (subtype = float8, subtype_diff = float8mi);
		CREATE TABLE arrays (k int PRIMARY KEY, a int[], b text[], c float[], d interval[], e int[][]);
		CREATE TABLE enums (k int PRIMARY KEY, a mood, b mood[]);
		CREATE TABLE comps (k int PRIMARY KEY, a basic, b basic[], c of_enum, d of_enum[], e of_enums[]);
		CREATE TABLE ranges (k int PRIMARY KEY, a int4range, b int4range[], c floats, d tstzrange, e nummultirange);
		CREATE TABLE domains (k positive PRIMARY KEY, a small, b small[], c pair, d pair[]);
		CREATE TABLE by_array (k int[] PRIMARY KEY, v text); CREATE TABLE by_comp (k basic, v text, PRIMARY KEY (k)); CREATE TABLE by_range (k int4range PRIMARY KEY, v text); CREATE TABLE by_enum (k mood PRIMARY KEY, v text);
		INSERT INTO arrays VALUES (1, '{1, 2, 3}', '{a, NULL, ""}', '{1.1, NaN}', '{1 day, -2 years}', '{{1,2},{3,4}}'), (2, '[2:3]={4,5}', NULL, '{}', NULL, NULL);
		INSERT INTO enums VALUES (1, 'a', '{b,c}'), (2, 'b', NULL);
		INSERT INTO comps VALUES (1, '(1,a,1)', '{"(1,a,1)",NULL}', '(1,b,2)', '{"(1,c,3)"}', '{"(4,\"{a,b}\",4)"}');
		INSERT INTO ranges VALUES (1, '[1,11)', '{"[1,3)","[10,21)"}', '(1.5,)', '[2026-01-01,)', '{[1,2],[3,4)}'), (2, 'empty', '{}', NULL, NULL, '{}');
		INSERT INTO domains VALUES (1, 10, '{1,999}', '(1,a,1)', '{"(1,a,1)"}');
		INSERT INTO by_array VALUES ('{1,2}', 'x'), ('{}', 'y'); INSERT INTO by_comp VALUES ('(1,a,1)', 'x'), ('(1,,2)', 'y'); INSERT INTO by_range VALUES ('[1,2)', 'x'), ('empty', 'y'); INSERT INTO by_enum VALUES ('a', 'x'), ('c', 'y')`,
		[]string{
			"INSERT INTO arrays SELECT k + 10, a, b, c, d, e FROM arrays; INSERT INTO enums SELECT k + 10, a, b FROM enums; INSERT INTO comps SELECT k + 10, a, b, c, d, e FROM comps; INSERT INTO ranges SELECT k + 10, a, b, c, d, e FROM ranges; INSERT INTO domains SELECT k + 10, a, b, c, d FROM domains",
			"UPDATE arrays SET a = '{4,5,6}', b = NULL WHERE k = 1; UPDATE enums SET a = 'c', b = '{a}' WHERE k = 1; UPDATE comps SET a = '(10,A,10)', d = '{\"(1,a,1)\",\"(2,b,2)\"}' WHERE k = 1; UPDATE ranges SET a = '[100,)', c = '[-1,1)', e = '{(,)}' WHERE k = 1; UPDATE domains SET a = 999, c = NULL, d = '{}' WHERE k = 1",
			"UPDATE by_array SET k = '{9}' WHERE v = 'x'; UPDATE by_comp SET k = '(2,b,2)' WHERE v = 'x'; UPDATE by_range SET k = '[5,)' WHERE v = 'x'; UPDATE by_enum SET k = 'b' WHERE v = 'x'",
			"DELETE FROM by_array WHERE v = 'y'; DELETE FROM by_comp WHERE v = 'y'; DELETE FROM by_range WHERE v = 'y'; DELETE FROM by_enum WHERE v = 'y'; DELETE FROM arrays WHERE k = 2; DELETE FROM domains WHERE k = 11",
		}},
	{"s003_constraints", `
		CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
		CREATE TABLE fired (id int PRIMARY KEY, how text);
		CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; NEW.how := NEW.how || ' ' || TG_NAME; RETURN NEW; END $$;
		CREATE FUNCTION nothing_at_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
		CREATE TRIGGER usual BEFORE INSERT OR UPDATE ON fired FOR EACH ROW EXECUTE FUNCTION more();
		CREATE TRIGGER always BEFORE INSERT OR UPDATE ON fired FOR EACH ROW EXECUTE FUNCTION more(); ALTER TABLE fired ENABLE ALWAYS TRIGGER always;
		CREATE TRIGGER replica BEFORE INSERT OR UPDATE OR DELETE ON fired FOR EACH ROW EXECUTE FUNCTION nothing_at_all(); ALTER TABLE fired ENABLE REPLICA TRIGGER replica;
		INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1)`,
		[]string{
			"INSERT INTO child VALUES (2, 2); INSERT INTO parent VALUES (2); INSERT INTO fired VALUES (1, 'x'), (2, 'y')",
			"UPDATE fired SET how = 'z' WHERE id = 1; DELETE FROM fired WHERE id = 2; DELETE FROM parent WHERE id = 1; UPDATE child SET parent = 2",
		}},
	{"s006_rewrite", `
		CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, repeat('x', i) FROM generate_series(1, 200) i; CREATE INDEX t_v ON t (v); ALTER TABLE t CLUSTER ON t_pkey`,
		[]string{
			"INSERT INTO t VALUES (1000, 'before')", "VACUUM FULL t", "INSERT INTO t VALUES (1001, 'between'); DELETE FROM t WHERE id = 5", "CLUSTER t USING t_pkey", "REINDEX TABLE t",
			"UPDATE t SET v = 'a' WHERE id = 7; CLUSTER t USING t_pkey; UPDATE t SET v = 'b' WHERE id = 8; SAVEPOINT x; CLUSTER t; ROLLBACK TO x; UPDATE t SET v = 'c' WHERE id = 9",
			"ANALYZE t", "UPDATE t SET v = v || 'd' WHERE id < 5", "INSERT INTO t VALUES (1002, 'after')",
		}},
	{"s009_matviews", `
		CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x');
		CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE UNIQUE INDEX m_id ON m (id); CREATE MATERIALIZED VIEW mm AS SELECT count(*) FROM m`,
		[]string{
			"INSERT INTO t VALUES (2, 'y'); REFRESH MATERIALIZED VIEW m; INSERT INTO t VALUES (3, 'z')", "REFRESH MATERIALIZED VIEW CONCURRENTLY m", "REFRESH MATERIALIZED VIEW mm WITH NO DATA", "DELETE FROM t WHERE id = 1",
		}},
	{"s010_truncate", `
		CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id serial PRIMARY KEY, a int REFERENCES a); CREATE TABLE c (id int PRIMARY KEY); CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (parent);
		INSERT INTO a SELECT generate_series(1, 10); INSERT INTO b (a) SELECT id FROM a; INSERT INTO c SELECT id FROM a; INSERT INTO parent SELECT id FROM a; INSERT INTO heir SELECT id FROM a`,
		[]string{
			"TRUNCATE c; INSERT INTO c VALUES (100); TRUNCATE c; INSERT INTO c VALUES (101)", "TRUNCATE a CASCADE", "INSERT INTO a VALUES (1); INSERT INTO b (a) VALUES (1)",
			"TRUNCATE b RESTART IDENTITY; INSERT INTO b (a) VALUES (1)", "TRUNCATE ONLY parent", "TRUNCATE a, b, c; INSERT INTO a VALUES (7)", "SAVEPOINT x; TRUNCATE heir; ROLLBACK TO x; INSERT INTO heir VALUES (50)", "INSERT INTO parent VALUES (3); TRUNCATE parent",
		}},
	{"s011_generated", `
		CREATE TABLE stored (id int PRIMARY KEY, b int GENERATED ALWAYS AS (id * 2) STORED, c text); INSERT INTO stored (id) VALUES (1), (2);
		CREATE TABLE always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text); CREATE TABLE usual (id int GENERATED BY DEFAULT AS IDENTITY (START 10 INCREMENT -1 MINVALUE -100 MAXVALUE 10) PRIMARY KEY, v text);
		INSERT INTO always (v) VALUES ('a'); INSERT INTO usual (v) VALUES ('a')`,
		[]string{
			"INSERT INTO stored (id, c) VALUES (3, 'x'); UPDATE stored SET id = 20 WHERE id = 2; DELETE FROM stored WHERE id = 1", "INSERT INTO always (v) VALUES ('b'); INSERT INTO always OVERRIDING SYSTEM VALUE VALUES (100, 'c'); UPDATE always SET v = 'd' WHERE id = 1", "INSERT INTO usual (v) VALUES ('b'), ('c'); DELETE FROM usual WHERE id = 9",
		}},
	{"s013_partition", `
		CREATE TABLE l (a int, b text, PRIMARY KEY (a)) PARTITION BY LIST (a);
		CREATE TABLE l_1 PARTITION OF l FOR VALUES IN (1, 2, 3); CREATE TABLE l_2 (b text, gone int, a int NOT NULL); ALTER TABLE l_2 DROP gone; ALTER TABLE l ATTACH PARTITION l_2 FOR VALUES IN (4, 5, 6);
		CREATE TABLE l_rest PARTITION OF l DEFAULT PARTITION BY HASH (a); CREATE TABLE l_h0 PARTITION OF l_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE l_h1 PARTITION OF l_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		INSERT INTO l SELECT i, 'x' FROM generate_series(1, 30) i`,
		[]string{
			"INSERT INTO l SELECT i, 'y' FROM generate_series(31, 40) i; UPDATE l SET b = 'z' WHERE a % 3 = 0; DELETE FROM l WHERE a IN (1, 10, 20)",
			"UPDATE l SET a = 1 WHERE a = 5; UPDATE l SET a = 5 WHERE a = 30; UPDATE l SET a = a + 100 WHERE a BETWEEN 20 AND 29", "TRUNCATE l_1; INSERT INTO l VALUES (2, 'again')", "DELETE FROM l_2 WHERE a = 4; INSERT INTO l_2 (b, a) VALUES ('leaf', 4)",
		}},
	{"s020_messages", "CREATE TABLE t (id int PRIMARY KEY)",
		[]string{
			"SELECT pg_logical_emit_message(true, 'pgoutput', 'CANARY-7f3a9 theirs'); INSERT INTO t VALUES (1)", "SELECT pg_logical_emit_message(false, '', '')", "SELECT pg_logical_emit_message(false, 'theirs', repeat('x', 100000)); SELECT pg_logical_emit_message(true, 'replicator', 'CANARY-7f3a9 not ours')",
			"INSERT INTO t VALUES (2); SAVEPOINT a; SELECT pg_logical_emit_message(true, 'theirs', 'void'); INSERT INTO t VALUES (3); ROLLBACK TO a",
		}},
	{"s021_twophase", "CREATE TABLE t (id int PRIMARY KEY)",
		[]string{
			"INSERT INTO t VALUES (1); SAVEPOINT a; INSERT INTO t VALUES (2); ROLLBACK TO a; INSERT INTO t VALUES (3); PREPARE TRANSACTION 's021 a'", "INSERT INTO t VALUES (4); PREPARE TRANSACTION 's021 b'", "INSERT INTO t VALUES (5)", "COMMIT PREPARED 's021 a'", "ROLLBACK PREPARED 's021 b'",
		}},
	{"s030_origin", "CREATE TABLE t (id int PRIMARY KEY, v text)",
		[]string{
			"SELECT pg_replication_origin_create('s030')", "SELECT pg_replication_origin_session_setup('s030')",
			"SELECT pg_replication_origin_xact_setup('0/1234', now()); INSERT INTO t VALUES (1, 'from elsewhere')", "SELECT pg_replication_origin_session_reset()", "INSERT INTO t VALUES (2, 'from here')", "SELECT pg_replication_origin_drop('s030')",
		}},
	{"s036_sequences", `
		CREATE SEQUENCE called; SELECT nextval('called'); CREATE SEQUENCE untouched START 42; CREATE SEQUENCE "Odd ""name""" AS smallint INCREMENT -3 START -1 MAXVALUE -1 MINVALUE -100 CYCLE; CREATE SEQUENCE cached CACHE 20`,
		[]string{`SELECT nextval('called'), setval('"Odd ""name"""', -100), nextval('"Odd ""name"""'), nextval('cached')`, "SELECT setval('untouched', 42, false)"}},
	{"s100_bugs", `
		CREATE FUNCTION twice(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 2 * x; END $$;
		CREATE TABLE indexed (a int PRIMARY KEY, b int); CREATE INDEX indexed_e ON indexed (s100_bugs.twice(b)); CREATE INDEX indexed_p ON indexed (a) WHERE s100_bugs.twice(b) > 2; CREATE UNIQUE INDEX indexed_u ON indexed (b) WHERE b > 100;
		CREATE UNLOGGED TABLE unlogged (a int PRIMARY KEY);
		CREATE TABLE dropped_full (a int, gone int, c text, PRIMARY KEY (a)); INSERT INTO dropped_full VALUES (1, 1, 'x'), (2, 2, NULL); ALTER TABLE dropped_full REPLICA IDENTITY FULL; ALTER TABLE dropped_full DROP gone;
		CREATE TABLE missing (a int PRIMARY KEY); INSERT INTO missing SELECT generate_series(1, 5); ALTER TABLE missing ADD b text DEFAULT 'was not there', ADD c int DEFAULT 7; ALTER TABLE missing REPLICA IDENTITY FULL;
		CREATE TABLE toasted (a int PRIMARY KEY, t text, u int); ALTER TABLE toasted ALTER t SET STORAGE EXTERNAL; INSERT INTO toasted VALUES (1, repeat('1234567890', 1000), 0)`,
		[]string{
			"INSERT INTO indexed VALUES (1, 1), (2, 101), (3, 102); UPDATE indexed SET b = NULL WHERE a = 2; UPDATE indexed SET b = 101 WHERE a = 3; UPDATE indexed SET b = 102 WHERE a = 2",
			"CREATE TEMP TABLE passing (a int PRIMARY KEY) ON COMMIT DROP; INSERT INTO passing VALUES (1); INSERT INTO unlogged VALUES (1)",
			"UPDATE dropped_full SET c = 'y'; DELETE FROM dropped_full WHERE a = 2; INSERT INTO dropped_full VALUES (3, 'z')", "UPDATE missing SET c = 8 WHERE a = 1; DELETE FROM missing WHERE a = 2; INSERT INTO missing VALUES (6)",
			"UPDATE toasted SET u = 1; UPDATE toasted SET a = 2; INSERT INTO toasted SELECT 3, t || 'x', 2 FROM toasted; UPDATE toasted SET u = 3, t = 'short' WHERE a = 2",
		}},
}

// TestSubscriptionCases follows all of them at once, to a server of another version, and opens it.
func TestSubscriptionCases(t *testing.T) {
	p := newPair(t, server(t, "streaming source", cluster.Config{Settings: streams}), server(t, "target", cluster.Config{}))
	for _, s := range subscriptions {
		c := p.connect(p.source)
		if err := c.Exec(t.Context(), "CREATE SCHEMA "+s.name+"; SET search_path = "+s.name+"; "+s.before); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		c.Close()
	}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	for _, s := range subscriptions {
		c := p.connect(p.source)
		for _, sql := range append([]string{"SET search_path = " + s.name}, s.during...) {
			if several := strings.Contains(sql, "; "); several && !strings.Contains(sql, "PREPARE TRANSACTION") {
				sql = "BEGIN; " + sql + "; COMMIT"
			} else if several {
				sql = "BEGIN; " + sql
			}
			if err := c.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %s: %v", s.name, sql, err)
			}
		}
		c.Close()
	}
	report := p.mustCatchup()
	<-e.gone
	if len(report.MissedRows) > 0 {
		t.Errorf("changes that found no row: %v", report.MissedRows)
	}
	p.compare()
	p.compareSequences()
	p.compareSchema()
}

// TestSubscriptionStops: what must end the engine, with which exit code, in which words, and how it
// goes on afterwards.
func TestSubscriptionStops(t *testing.T) {
	for _, s := range []struct {
		name     string
		onTarget string // done behind our back
		onSource string
		code     fault.Code
		says     string
		mend     string // on the target; "" where nothing helps
	}{
		{name: "029_on_error, 035_conflicts: unique values are there", onTarget: "INSERT INTO u VALUES (11, 'CANARY-7f3a9 a', 1), (12, 'CANARY-7f3a9 b', 2)",
			onSource: "INSERT INTO u VALUES (11, 'CANARY-7f3a9 b', 2)", code: fault.Mismatch, says: "23505", mend: "DELETE FROM u WHERE id > 10"},
		{name: "008_diff_schema: a column more on the target", onTarget: "ALTER TABLE t ADD extra text DEFAULT 'ours'",
			onSource: "INSERT INTO t VALUES (13, 'x')", code: fault.Preflight, says: "target has (id integer, v text, extra text)", mend: "ALTER TABLE t DROP extra"},
		{name: "007_ddl: the publication is gone", onSource: "DROP PUBLICATION %; INSERT INTO t VALUES (20, 'x')", code: fault.PositionLost, says: "is gone"},
		{name: "001_rep_changes, 024: a table is taken out and put back", onSource: "ALTER PUBLICATION % DROP TABLE t; INSERT INTO t VALUES (20, 'x'); ALTER PUBLICATION % ADD TABLE t", code: fault.PositionLost, says: "for a time, or filtered: "},
	} {
		t.Run(s.name, func(t *testing.T) {
			p := newPair(t, server(t, "streaming source", cluster.Config{Settings: streams}), server(t, "target", cluster.Config{}))
			p.exec(p.source, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x'); CREATE TABLE u (id int PRIMARY KEY, a text UNIQUE, b int UNIQUE)")
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			if s.onTarget != "" {
				p.exec(p.target, s.onTarget)
			}
			publication := p.value(p.source, "SELECT coalesce(max(quote_ident(pubname)), '') FROM pg_publication")
			p.exec(p.source, strings.ReplaceAll(s.onSource, "%", publication))
			for again := range 2 {
				if again > 0 {
					e = startEngine(t, orders{Options: p.o})
				}
				<-e.gone
				if e.code != int(s.code) || !strings.Contains(e.out.String(), s.says) {
					t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
				}
				st, err := replicator.ReadStatus(context.Background(), p.o.Dir, "")
				if err != nil || st.Phase != status.Failed || st.LastError == "" {
					t.Errorf("status is %s, last error %q, %v", st.Phase, st.LastError, err)
				}
			}
			if s.mend == "" {
				return
			}
			p.exec(p.target, s.mend)
			e = startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			p.mustCatchup()
			p.compare()
		})
	}
}
