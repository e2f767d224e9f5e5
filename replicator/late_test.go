package replicator_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// madeLater is what a hospital's vendor installs between plan and window.
const madeLater = `
CREATE SEQUENCE h.later_number INCREMENT 3;
SELECT setval('h.later_number', 30);
CREATE TABLE h.later (id int DEFAULT nextval('h.later_number') PRIMARY KEY, note text NOT NULL CHECK (note <> ''), at date);
INSERT INTO h.later (note) SELECT 'CANARY-7f3a9 ' || i FROM generate_series(1, 2000) i;
CREATE INDEX later_note ON h.later (note text_pattern_ops) WHERE at IS NULL;
COMMENT ON TABLE h.later IS 'made later';
GRANT SELECT, INSERT ON h.later TO ward;
GRANT USAGE ON SEQUENCE h.later_number TO ward;
CREATE TRIGGER later_audit AFTER INSERT ON h.later FOR EACH ROW EXECUTE FUNCTION h.audit_fn();
-- of a planned table, with a foreign key to another, and one to what is made here
CREATE TABLE h.obs_13 PARTITION OF h.obs FOR VALUES FROM (13) TO (20);
INSERT INTO h.obs (month, val) SELECT 13 + i % 7, i FROM generate_series(1, 500) i;
CREATE TABLE h.child (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account int REFERENCES h.account ON DELETE CASCADE, later int REFERENCES h.later);
INSERT INTO h.child (account, later) SELECT 1 + i % 200, 33 + 3 * (i % 100) FROM generate_series(1, 300) i;
-- without a key, and without WAL
CREATE TABLE h.later_bag (what text);
INSERT INTO h.later_bag SELECT 'CANARY-7f3a9' FROM generate_series(1, 100);
CREATE UNLOGGED TABLE h.later_cache (id int PRIMARY KEY, v text);
INSERT INTO h.later_cache SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 50) i;
-- a schema of its own, with types, partitions and a self-reference
CREATE SCHEMA "New Ward";
GRANT USAGE ON SCHEMA "New Ward" TO ward;
COMMENT ON SCHEMA "New Ward" IS 'it''s new';
CREATE TABLE "New Ward"."Bed" (id int PRIMARY KEY, next int REFERENCES "New Ward"."Bed" DEFERRABLE, room text UNIQUE);
INSERT INTO "New Ward"."Bed" VALUES (1, NULL, 'CANARY-7f3a9 a'), (2, 1, 'CANARY-7f3a9 b');
CREATE TABLE "New Ward".vital (at date, v int, PRIMARY KEY (at, v)) PARTITION BY RANGE (at);
CREATE TABLE "New Ward".vital_1 PARTITION OF "New Ward".vital FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE "New Ward".vital_d PARTITION OF "New Ward".vital DEFAULT;
INSERT INTO "New Ward".vital SELECT '2026-01-01'::date + i, i FROM generate_series(1, 365) i;
ANALYZE;
`

// TestTablesMadeAfterThePlan makes tables of every kind while the target follows; at the fence they
// come with everything that belongs to them, though the wards write until then.
func TestTablesMadeAfterThePlan(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(500))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, madeLater)
	h := startHammer(t, p.source, seedOf(t), 2, 500) // its triggers fill h.audit, which has no key
	h.mustCommit(t, 100)
	p.exec(p.source, "INSERT INTO h.later (note) VALUES ('"+canary+" last'); UPDATE h.later SET at = '2026-11-22' WHERE id % 5 = 0; DELETE FROM h.later_bag WHERE ctid IN (SELECT ctid FROM h.later_bag LIMIT 7)")
	h.stop()
	report := p.mustCatchup()
	<-e.gone
	p.compare()
	p.compareSequences()
	p.compareSchema()
	for _, name := range []string{"h.later", "h.obs_13", "h.child", "h.later_bag", "h.later_cache", "h.audit", "h.cache", "New Ward.Bed", "New Ward.vital_1", "New Ward.vital_d"} {
		if !slices.ContainsFunc(report.Tables, func(r catchup.TableResult) bool { return r.Name == name && r.Late && r.Equal }) {
			t.Errorf("the report does not say that %s was copied at the fence and is equal", name)
		}
	}
	if n := p.value(p.target, "SELECT count(*) FROM h.later"); n != "2001" {
		t.Errorf("h.later has %s rows", n)
	}
}

// TestLateTablesSurviveAnAbort gives a catch-up up when the tables made later are there already, has
// the wards go on, and finishes: nothing of the first try may be left or missing.
func TestLateTablesSurviveAnAbort(t *testing.T) {
	t.Parallel()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(200))
	p.followThenLeave()
	p.exec(p.source, madeLater)
	for _, hook := range []string{"target: chunk after commit", "engine: before finish", "engine: before open"} {
		e := startEngine(t, orders{Options: p.o, Catchup: true, KillAt: hook, KillNth: 1})
		<-e.gone
		if e.code != -1 {
			t.Fatalf("catch-up was not killed at %q but ended with %d:\n%s", hook, e.code, e.out)
		}
	}
	if _, err := p.catchup(replicator.CatchupOptions{Abort: true}); err != nil {
		t.Fatalf("lift the fence: %v", err)
	}
	p.mustBeWritable()
	p.exec(p.source, "INSERT INTO h.later (note) VALUES ('"+canary+" after'); DELETE FROM h.later WHERE id < 100 AND id NOT IN (SELECT later FROM h.child); CREATE TABLE h.even_later (id int PRIMARY KEY); INSERT INTO h.even_later VALUES (1)")
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	// Once more, in the engine that will try again.
	p.exec(p.target, "UPDATE h.account SET memo = 'damaged' WHERE id = 7")
	if _, err := p.catchup(replicator.CatchupOptions{}); fault.CodeOf(err) != fault.Mismatch {
		t.Fatalf("catch-up over a difference: %v\n%s", err, e.out)
	}
	p.mustBeWritable()
	p.exec(p.source, "UPDATE h.account SET memo = 'mended' WHERE id = 7; DELETE FROM h.even_later; CREATE TABLE h.last (id int PRIMARY KEY)")
	report := p.mustCatchup()
	<-e.gone
	names := map[string]int{}
	for _, r := range report.Tables {
		names[r.Name]++
	}
	if names["h.later"] != 1 || names["h.last"] != 1 {
		t.Errorf("the report has h.later %d times, h.last %d times", names["h.later"], names["h.last"])
	}
	p.compare()
	p.compareSequences()
	p.compareSchema()
}

// mustCommit waits until the hammer has committed n more transactions.
func (h *hammer) mustCommit(t *testing.T, n int64) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for want := h.commits.Load() + n; h.commits.Load() < want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing commits")
		}
	}
}

// TestChangedTablesCloseTheGate changes planned tables where no row tells of it: catch-up must see it
// before it fences anybody, and must go through once the change is undone.
func TestChangedTablesCloseTheGate(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(200)+"CREATE SCHEMA elsewhere")
	p.o.LookEvery = time.Hour // the gate is to see it
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	for _, tt := range []struct{ name, ddl, undo, table string }{
		{"column added", "ALTER TABLE h.named ADD w int", "ALTER TABLE h.named DROP w", "h.named"},
		{"column of a late table renamed", "ALTER TABLE h.audit RENAME what TO why", "ALTER TABLE h.audit RENAME why TO what", "h.audit"},
		{"table renamed", "ALTER TABLE h.bed RENAME TO cot", "ALTER TABLE h.cot RENAME TO bed", "h.bed"},
		{"table in another schema", "ALTER TABLE h.random SET SCHEMA elsewhere", "ALTER TABLE elsewhere.random SET SCHEMA h", "h.random"},
		{"table dropped", "BEGIN; DROP TABLE h.queue_item; COMMIT", "", "h.queue_item"},
		{"type changed", "ALTER TABLE h.pair ALTER n TYPE bigint", "", "h.pair"}, // and back again would be a rewrite, too
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.t = t
			p.exec(p.source, tt.ddl)
			rows := p.value(p.target, "SELECT count(*) FROM "+tt.table)
			for _, rehearse := range []bool{true, false} {
				report, err := p.catchup(replicator.CatchupOptions{Rehearse: rehearse})
				if fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), tt.table) || fault.HintOf(err) == "" || report.Outcome != catchup.Failed {
					t.Errorf("catch-up: code %d, %v", fault.CodeOf(err), err)
				}
				for _, s := range report.Steps {
					if s.Name == "fence the source" {
						t.Error("the source was fenced")
					}
				}
			}
			p.mustBeWritable()
			if now := p.value(p.target, "SELECT count(*) FROM "+tt.table); now != rows {
				t.Errorf("%s has %s rows on the target, had %s", tt.table, now, rows)
			}
			if tt.undo != "" {
				p.exec(p.source, tt.undo)
			}
		})
	}
	p.t = t
	select {
	case <-e.gone:
		t.Errorf("the engine ended with %d:\n%s", e.code, e.out)
	default:
	}
}

// TestChangedTableStopsApply adds a column and writes: the engine must stop at that transaction,
// before anything of it, say why, and say so again when it is started again.
func TestChangedTableStopsApply(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(200))
	p.o.LookEvery = time.Hour // the stream is to show it
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "UPDATE h.account SET memo = '"+canary+" good'")
	p.exec(p.source, "ALTER TABLE h.named ADD w text")
	p.exec(p.source, "BEGIN; UPDATE h.account SET memo = '"+canary+" bad'; UPDATE h.named SET w = '"+canary+" new', n = n + 1; COMMIT")
	for range 2 {
		<-e.gone
		if e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), "error: ADD COLUMN on table h.named: w text; was (name text, n integer, pad text), is (name text, n integer, pad text, w text)") {
			t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
		}
		if v := p.value(p.target, "SELECT string_agg(DISTINCT memo, ', ') FROM h.account"); v != canary+" good" {
			t.Errorf("the target has other rows than before the change")
		}
		s, err := replicator.ReadStatus(t.Context(), p.o.Dir, "")
		if err != nil || s.Phase != status.Failed || !strings.Contains(s.LastError, "h.named") {
			t.Errorf("status is %s, last error %q, %v", s.Phase, s.LastError, err)
		}
		e = startEngine(t, orders{Options: p.o})
	}
}

// TestChangedTableIsNoticed changes tables that nobody writes any more: only the catalog tells. The
// engine ends by itself, and goes on once the statement is undone. One on a late table does not end it.
func TestChangedTableIsNoticed(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(200))
	p.o.LookEvery = 100 * time.Millisecond
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "ALTER TABLE h.audit ADD w int")
	p.exec(p.source, "VACUUM FULL h.named")
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool { return len(s.Changed) == 1 }) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	for _, tt := range []struct{ sql, undo, want string }{
		{"ALTER TABLE h.pair ALTER n SET NOT NULL", "ALTER TABLE h.pair ALTER n DROP NOT NULL", "error: ALTER COLUMN SET NOT NULL on table h.pair: n"},
		{"ALTER TABLE h.bed ALTER id ADD GENERATED ALWAYS AS IDENTITY", "ALTER TABLE h.bed ALTER id DROP IDENTITY", "error: ALTER COLUMN IDENTITY on table h.bed: id"},
	} {
		p.exec(p.source, tt.sql)
		if <-e.gone; e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), tt.want) {
			t.Fatalf("%s: engine ended with %d:\n%s", tt.sql, e.code, e.out)
		}
		p.exec(p.source, tt.undo)
		e = startEngine(t, orders{Options: p.o})
		e.mustReach(p.o.Dir, status.Following)
	}
	p.exec(p.source, "ALTER TABLE h.named ALTER n TYPE int USING n + 1")
	<-e.gone
	if e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), "error: ALTER COLUMN TYPE ... USING on table h.named") {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	s, err := replicator.ReadStatus(t.Context(), p.o.Dir, "")
	if err != nil || len(s.Changed) != 2 || !strings.Contains(s.LastError, "h.named") {
		t.Errorf("status names %q, last error %q, %v", s.Changed, s.LastError, err)
	}
}

// TestStatementsBesideTheTable changes what a table's rows must obey while nothing of the table itself
// changes: the engine stops before the first transaction that needs it, and goes on once the target has
// the same.
func TestStatementsBesideTheTable(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE SCHEMA h; CREATE TYPE h.mood AS ENUM ('well', 'ill');
		CREATE TABLE h.person (id int PRIMARY KEY, mood h.mood, bed int UNIQUE, age int CHECK (age > 0)); INSERT INTO h.person VALUES (1, 'well', 1, 1)`)
	p.o.LookEvery = time.Hour
	for i, tt := range []struct{ sql, row, want, mend string }{
		{"ALTER TYPE h.mood ADD VALUE 'dead'", "(2, 'dead', 2, 2)", "error: ALTER TYPE: a type on the target", "ALTER TYPE h.mood ADD VALUE 'dead'"},
		{"ALTER TABLE h.person DROP CONSTRAINT person_bed_key", "(3, 'ill', 1, 3)", "error: DROP CONSTRAINT or INDEX on table h.person: person_bed_key", "ALTER TABLE h.person DROP CONSTRAINT person_bed_key"},
		{"ALTER TABLE h.person DROP CONSTRAINT person_age_check", "(4, 'ill', 4, -1)", "error: DROP CONSTRAINT or INDEX on table h.person: person_age_check", ""},
	} {
		e := startEngine(t, orders{Options: p.o})
		e.mustReach(p.o.Dir, status.Following)
		p.exec(p.source, tt.sql)
		p.exec(p.source, "INSERT INTO h.person VALUES "+tt.row)
		if <-e.gone; e.code != int(fault.Preflight) || !strings.Contains(e.out.String(), tt.want) {
			t.Fatalf("%s: engine ended with %d:\n%s", tt.sql, e.code, e.out)
		}
		if n := p.value(p.target, "SELECT count(*) FROM h.person"); n != strconv.Itoa(i+1) {
			t.Errorf("%s: the target has %s rows, not those before that transaction", tt.sql, n)
		}
		if tt.mend != "" {
			p.exec(p.target, tt.mend)
		} else {
			p.mustResync("h.person")
		}
	}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.terminate()
	if n := p.value(p.target, "SELECT count(*) FROM h.person"); n != "4" {
		t.Errorf("the target has %s rows", n)
	}
}
