package replicator_test

import (
	"fmt"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/status"
)

const madeSchema = `
CREATE SCHEMA h;
CREATE TABLE h.visit (id int PRIMARY KEY, note text); CREATE INDEX visit_note ON h.visit (note);
CREATE TABLE h.month (at date, id int, note text, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE h.month_1 PARTITION OF h.month FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE h.month_2 PARTITION OF h.month FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO h.visit SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 300) i;
INSERT INTO h.month SELECT date '2026-01-01' + i % 59, i, 'CANARY-7f3a9' FROM generate_series(1, 300) i;
`

// madeStatements make tables while the job follows, and go on with them.
var madeStatements = []string{
	"CREATE TABLE h.month_3 PARTITION OF h.month FOR VALUES FROM ('2026-03-01') TO ('2026-04-01'); INSERT INTO h.month SELECT date '2026-03-01' + i % 31, 1000 + i, 'new' FROM generate_series(1, 100) i",
	// Rows move to the leaf that is not followed, and from it.
	"UPDATE h.month SET at = at + 28 WHERE at >= '2026-02-01' AND at < '2026-03-01' AND id % 3 = 0; UPDATE h.month SET at = '2026-01-15' WHERE at >= '2026-03-01' AND id % 2 = 0; DELETE FROM h.month WHERE id % 11 = 0",
	"ALTER TABLE h.month ADD COLUMN ward text DEFAULT 'w'; UPDATE h.month SET ward = 'x' WHERE id % 5 = 0",
	"BEGIN; CREATE TABLE h.month_4 (LIKE h.month INCLUDING ALL); INSERT INTO h.month_4 VALUES ('2026-04-02', 1, 'a'); ALTER TABLE h.month ATTACH PARTITION h.month_4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); UPDATE h.month SET note = 'b' WHERE id < 20; COMMIT",
	"ALTER TABLE h.month DETACH PARTITION h.month_3; ALTER TABLE h.month_3 RENAME TO march; ALTER TABLE h.march DROP COLUMN note",
	"CREATE TABLE h.made AS SELECT id, note FROM h.visit; SELECT * INTO h.into FROM h.visit; ALTER TABLE h.made ADD PRIMARY KEY (id); CREATE INDEX made_note ON h.made (note)",
	"ALTER TABLE h.made ALTER note TYPE int USING length(note); ALTER TABLE h.made ADD r double precision DEFAULT random(); DROP TABLE h.into; CREATE TABLE h.into (visit int REFERENCES h.visit); INSERT INTO h.into VALUES (7)",
	// As tools do it that copy a table to change it.
	"CREATE TABLE h.fresh (LIKE h.month_1 INCLUDING ALL); BEGIN; LOCK h.month_1; INSERT INTO h.fresh SELECT * FROM h.month_1; UPDATE h.month_1 SET note = 'last' WHERE id % 2 = 0; ALTER TABLE h.month_1 RENAME TO stale; ALTER TABLE h.fresh RENAME TO month_1; COMMIT",
	"ALTER TABLE h.month DETACH PARTITION h.stale; DROP TABLE h.stale; ALTER TABLE h.month ATTACH PARTITION h.month_1 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
	"CREATE TABLE h.brief (id int); ALTER TABLE h.brief ADD COLUMN v text; DROP TABLE h.brief",
	"INSERT INTO h.month SELECT date '2026-01-01' + i % 10, 5000 + i, 'late' FROM generate_series(1, 20) i; UPDATE h.visit SET note = 'done' WHERE id < 10",
}

// TestTablesAreMade makes tables in every way while the job follows, with statements on them later: no one stops
// the job, and at the fence they come as they are then, with rows that have moved to them and from them.
func TestTablesAreMade(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), madeSchema)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	for _, s := range madeStatements {
		p.exec(p.source, s)
	}
	p.mustCatchup()
	<-e.gone
	p.compare()
	p.dropTells()
	p.compareSchema()
}

const tablesKilled = `CREATE SCHEMA h; CREATE TABLE h.name (id int PRIMARY KEY, v text); INSERT INTO h.name SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 100) i;
	DO $$ BEGIN FOR i IN 0..9 LOOP EXECUTE format('CREATE TABLE h.d%s (id int PRIMARY KEY, v text)', i); END LOOP; END $$;`

// renameAndDrop gives the table another name, and drops one, with rows around both.
func (p *pair) renameAndDrop(i int) {
	was, is := "name", fmt.Sprintf("name%d", i)
	if i > 0 {
		was = fmt.Sprintf("name%d", i-1)
	}
	p.exec(p.source, fmt.Sprintf(`BEGIN; INSERT INTO h.%[1]s VALUES (%[3]d, 'CANARY-7f3a9'); ALTER TABLE h.%[1]s RENAME TO %[2]s; UPDATE h.%[2]s SET v = v || '.' WHERE id %% 2 = 0;
		INSERT INTO h.d%[4]d VALUES (1, 'x'); DROP TABLE h.d%[4]d; DELETE FROM h.%[2]s WHERE id = %[4]d; COMMIT`, was, is, 1000+i, i))
}

// TestKilledAtNames kills the engine around a transaction that renames a table and drops another, near and far,
// and the far target end within it. Each statement is carried once.
func TestKilledAtNames(t *testing.T) {
	t.Parallel()
	here := []string{"engine: before the plan takes a statement", "engine: the plan has a statement"}
	there := []string{"apply: statement", "apply: before commit", "apply: after commit"}
	for name, hooks := range map[string][]string{"near": append(here, there...), "far": here} {
		t.Run(name, func(t *testing.T) {
			p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), tablesKilled)
			var s *site
			if name == "far" {
				s = p.far()
			}
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			e.kill()
			for i, hook := range hooks {
				p.renameAndDrop(i)
				e := startEngine(t, orders{Options: p.o, KillAt: hook, KillNth: 1})
				if <-e.gone; e.code != -1 {
					t.Fatalf("engine was not killed at %q but ended with %d:\n%s", hook, e.code, e.out)
				}
			}
			e = startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			want := len(hooks)
			if s != nil {
				for _, hook := range there {
					s.service.kill()
					p.renameAndDrop(want)
					want++
					s.start(orders{KillAt: hook, KillNth: 1})
					if <-s.service.gone; s.service.code != -1 {
						t.Fatalf("the target end was not killed at %q but ended with %d:\n%s", hook, s.service.code, s.service.out)
					}
				}
				s.start(orders{})
			}
			p.mustCatchup()
			<-e.gone
			if n := p.value(p.target, "SELECT count(*) FROM replicator.ddl"); n != fmt.Sprint(2*want) {
				t.Errorf("%s statements are noted, not %d", n, 2*want)
			}
			p.compare()
			p.dropTells()
			p.compareSchema()
		})
	}
}

// TestStreamedStatements has statements in a transaction that the source streams before it commits, some of them
// rolled back, while others commit; and an engine that is killed as it replays them.
func TestStreamedStatements(t *testing.T) {
	p := carrying(t, ownServer(t, cluster.Config{Settings: streams}), server(t, "target", cluster.Config{}), `CREATE SCHEMA h; CREATE TABLE h.bulk (id int PRIMARY KEY, v text);
		CREATE TABLE h.other (id int PRIMARY KEY, v text); CREATE TABLE h.visit (id int PRIMARY KEY, v text); INSERT INTO h.bulk SELECT -i, 'CANARY-7f3a9' FROM generate_series(1, 100) i`)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	c := p.connect(p.source)
	defer c.Close()
	rows := func(table string, from int) string {
		return fmt.Sprintf("INSERT INTO h.%s (id, v) SELECT i, 'CANARY-7f3a9' || repeat('x', 100) FROM generate_series(%d, %d) i", table, from, from+1999)
	}
	run := func(list ...string) {
		t.Helper()
		for _, sql := range list {
			if err := c.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	run("BEGIN", rows("bulk", 1), "ALTER TABLE h.bulk ADD COLUMN a int DEFAULT 7", "UPDATE h.bulk SET a = 8 WHERE id % 3 = 0",
		"SAVEPOINT s", rows("bulk", 10_000), "ALTER TABLE h.bulk DROP COLUMN a", "ALTER TABLE h.bulk RENAME TO never", rows("never", 20_000), "DROP TABLE h.other", "ROLLBACK TO s",
		rows("bulk", 30_000))
	p.awaitSpool(e, 0)
	p.exec(p.source, "INSERT INTO h.visit VALUES (1, 'a'); ALTER TABLE h.visit ADD COLUMN w int DEFAULT 1; UPDATE h.visit SET w = 2")
	run("ALTER TABLE h.bulk RENAME TO big", "SAVEPOINT t", rows("big", 40_000), "ALTER TABLE h.big ADD COLUMN b text DEFAULT 'b'", "RELEASE t", "UPDATE h.big SET b = 'c' WHERE id % 2 = 0",
		rows("other", 1), "DROP TABLE h.other", "ALTER TABLE h.big RENAME COLUMN v TO z", "DELETE FROM h.big WHERE id % 7 = 0")
	p.exec(p.source, "ALTER TABLE h.visit RENAME TO stay; INSERT INTO h.stay VALUES (2, 'b')")
	e.kill()
	e = startEngine(t, orders{Options: p.o, KillAt: "apply: statement", KillNth: 2})
	p.awaitSpool(e, 0)
	run("COMMIT")
	if <-e.gone; e.code != -1 {
		t.Fatalf("engine was not killed but ended with %d:\n%s", e.code, e.out)
	}
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	<-e.gone
	if streamed, _ := p.streamed(); streamed == 0 {
		t.Error("nothing was streamed")
	}
	if n := p.value(p.target, "SELECT count(*) FROM replicator.ddl"); n != "7" {
		t.Errorf("%s statements are noted, not 7", n)
	}
	p.compare()
	p.dropTells()
	p.compareSchema()
}
