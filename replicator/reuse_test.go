package replicator_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// dropSlot takes the job's slot away, as a source does that ran out of room for WAL.
func (p *pair) dropSlot() {
	p.t.Helper()
	p.dropSlots()
	if n := p.value(p.source, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"); n != "0" {
		p.t.Fatalf("%s slots are left", n)
	}
}

// reused is what became of the chunks: how many were counted as they stood, and how many copied. A
// counted chunk has the sum of its rows for a digest.
func (p *pair) reused() (counted, copied string) {
	p.t.Helper()
	const receipts = " FROM replicator.receipt WHERE digest "
	return p.value(p.target, "SELECT count(*)"+receipts+"LIKE '%:%'"), p.value(p.target, "SELECT count(*)"+receipts+"NOT LIKE '%:%'")
}

// TestReuseAfterLostSlot loses the slot in mid-follow, under load: the job ends with 10, and with
// --reuse goes on with what the target has.
func TestReuseAfterLostSlot(t *testing.T) {
	t.Parallel()
	for _, far := range []bool{false, true} {
		name := map[bool]string{false: "in process", true: "two sites"}[far]
		t.Run(name, func(t *testing.T) {
			seed := seedOf(t)
			p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
			p.exec(p.source, hammerSchema+hammerRows(3000))
			p.exec(p.source, "CREATE TABLE h.still (id int PRIMARY KEY, v text); INSERT INTO h.still SELECT i, repeat('"+canary+"', 20) FROM generate_series(1, 3000) i")
			if far {
				p.far()
			}
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			h := startHammer(t, p.source, seed, 2, 3000)
			e.kill()
			p.dropSlot()
			e = startEngine(t, orders{Options: p.o})
			<-e.gone
			if e.code != int(fault.PositionLost) {
				t.Fatalf("a job without its slot ended with %d:\n%s", e.code, e.out)
			}
			p.o.Reuse = true
			p.exec(p.target, "INSERT INTO replicator.job (job, epoch, phase) VALUES ('other', 1, 'open')")
			if err := replicator.Seed(t.Context(), p.o); fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "job other has opened") {
				t.Fatalf("a re-use of a database that people have: %v", err)
			}
			p.exec(p.target, "DELETE FROM replicator.job WHERE job = 'other'")
			e = startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			if !strings.Contains(e.out.String(), "table stands on the target\" table=h.still rows=3000 mended=0") {
				t.Errorf("the table that nobody wrote to was not counted as it stood:\n%s", e.out)
			}
			e.kill()
			p.finish(h) // with --reuse again, which a healthy job does not heed
		})
	}
}

// TestReuseRestoredBackup begins a job over what pg_restore has brought: some tables are equal, some rows
// differ, one table is empty and one is all different; constraints that are not valid are broken by rows.
func TestReuseRestoredBackup(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(3000)+"ALTER TABLE h.account ENABLE TRIGGER account_audit;"+`
		CREATE TABLE h.history (id bigint PRIMARY KEY, v text);
		INSERT INTO h.history SELECT i, repeat('`+canary+`', 10) FROM generate_series(1, 8000) i;
		CREATE DOMAIN h.code AS int; CREATE TABLE h.fresh (id int PRIMARY KEY, v text UNIQUE, c h.code); INSERT INTO h.fresh SELECT i, 'v' || i, i FROM generate_series(1, 3000) i;
		ALTER TABLE h.fresh ADD CONSTRAINT fresh_v CHECK (v > 'v1000') NOT VALID; COMMENT ON CONSTRAINT fresh_v ON h.fresh IS 'of late'; ALTER DOMAIN h.code ADD CONSTRAINT code_small CHECK (VALUE < 2000) NOT VALID;
		CREATE TABLE h.old (id int PRIMARY KEY); INSERT INTO h.old SELECT generate_series(1, 3000); ALTER TABLE h.old ADD CONSTRAINT old_id CHECK (id > 3000) NOT VALID; ANALYZE`)
	p.restore()
	p.exec(p.source, `
		UPDATE h.note SET body = body || '!' WHERE id % 1000 = 0; DELETE FROM h.note WHERE id = 50;
		UPDATE h.bed SET patient = 3001 - patient WHERE id IN (1, 3000);
		UPDATE h.named SET name = name || ' moved' WHERE n % 100 = 0;
		UPDATE h.history SET v = 'new' WHERE id > 3000; INSERT INTO h.history SELECT i, 'new' FROM generate_series(8001, 9000) i;
		UPDATE h.random SET n = n + 1`)
	p.exec(p.target, `
		INSERT INTO h.log VALUES ('2001-01-01', 1, 'stray'), ('2001-01-01', 1, 'stray'); DELETE FROM h.fresh; DELETE FROM h.old WHERE id % 1000 = 0;
		INSERT INTO h.account VALUES (100000, 5, 'stray'); DELETE FROM h.pair WHERE a < 10; UPDATE h.obs SET tags = NULL WHERE id % 500 = 0`)
	h := startHammer(t, p.source, seed, 2, 3000)
	p.o.Reuse, p.o.Until = true, "copied"
	e := startEngine(t, orders{Options: p.o})
	<-e.gone
	if e.code != 0 {
		t.Fatalf("seed over a restored backup ended with %d:\n%s", e.code, e.out)
	}
	counted, copied := p.reused()
	s, err := replicator.ReadStatus(context.Background(), p.o.Dir, "")
	if err != nil || counted == "0" || copied == "0" || strconv.Itoa(s.Copy.ChunksReused) != counted || s.Copy.ChunksCopied != s.Copy.ChunksTotal {
		t.Errorf("%s chunks counted as they stood, %s copied, status %+v, %v", counted, copied, s.Copy, err)
	}
	history := p.value(p.target, `SELECT bool_or(digest LIKE '%:%' AND rows > 0) AND bool_or(digest NOT LIKE '%:%') FROM replicator.receipt WHERE tbl = `+p.ordinal("h.history"))
	if history != "t" {
		t.Errorf("of h.history not the chunks were copied that had changed, and only those:\n%s", e.out)
	}
	p.o.Until = ""
	p.finish(h)
}

// ordinal is the number of a table in the plan.
func (p *pair) ordinal(name string) string {
	p.t.Helper()
	s, err := replicator.ReadStatus(context.Background(), p.o.Dir, "")
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return strconv.Itoa(i)
		}
	}
	p.t.Fatalf("table %s is not in the plan", name)
	return ""
}

// restore brings the source to the target as it is now, by PostgreSQL's own tools.
func (p *pair) restore() {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "backup")
	for _, cmd := range [][]string{{"pg_dump", "-Fc", "-f", file, p.source}, {"pg_restore", "--exit-on-error", "-d", p.target, file}} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			p.t.Fatalf("%s: %v\n%s", cmd[0], err, out)
		}
	}
	if err := os.Remove(file); err != nil {
		p.t.Fatal(err)
	}
}

// TestReuseRefusesOtherTables wants a target whose tables are made in another way refused before a row
// moves, and the same command to go on once that is mended.
func TestReuseRefusesOtherTables(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(200))
	p.restore()
	p.o.Reuse, p.o.Until = true, "consistent"
	for _, c := range []struct{ damage, want, mend string }{
		{"SELECT 1", "trigger h.account.account_audit would fire", "DROP TRIGGER account_audit ON h.account"},
		{"ALTER TABLE h.named ALTER n TYPE bigint", "column h.named.n differs", "ALTER TABLE h.named ALTER n TYPE int"},
		{"ALTER TABLE h.named ADD extra int", "column h.named.extra is on the target only", "ALTER TABLE h.named DROP extra"},
		{"ALTER TABLE h.pair ADD UNIQUE (n)", "constraint h.pair.pair_n_key is on the target only", "ALTER TABLE h.pair DROP CONSTRAINT pair_n_key"},
		{"ALTER TABLE h.obs DETACH PARTITION h.obs_8; ALTER TABLE h.obs ATTACH PARTITION h.obs_8 FOR VALUES FROM (8) TO (20)", "place in a tree of h.obs_8 differs",
			"ALTER TABLE h.obs DETACH PARTITION h.obs_8; ALTER TABLE h.obs ATTACH PARTITION h.obs_8 FOR VALUES FROM (8) TO (13)"},
		{"ALTER VIEW h.rich RENAME TO r2; CREATE VIEW h.rich AS SELECT 1 AS id", "view h.rich differs", "DROP VIEW h.rich; ALTER VIEW h.r2 RENAME TO rich"},
		{"CREATE OR REPLACE FUNCTION h.audit_fn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END' SECURITY DEFINER", "routine h.audit_fn() differs", "DROP FUNCTION h.audit_fn() CASCADE"},
	} {
		p.exec(p.target, c.damage)
		err := replicator.Seed(context.Background(), p.o)
		if fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.want, err)
		}
		p.exec(p.target, c.mend)
	}
	p.exec(p.target, "DROP TABLE h.pair CASCADE") // made anew
	if err := replicator.Seed(context.Background(), p.o); err != nil {
		t.Fatalf("after all was mended: %v", err)
	}
	p.o.Until = ""
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	p.compare()
}

// TestReuseReplacedTarget takes the job's own tables away from the target, as a backup of it would that
// is older than the job.
func TestReuseReplacedTarget(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(500))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.terminate()
	p.exec(p.target, "DROP SCHEMA replicator CASCADE; DELETE FROM h.note WHERE id < 100")
	p.exec(p.source, "UPDATE h.bed SET label = label || '!'")
	if err := replicator.Seed(context.Background(), p.o); fault.CodeOf(err) != fault.PositionLost {
		t.Fatalf("a seed to a target that does not know the job: %v", err)
	}
	p.o.Reuse = true
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	p.compare()
}

// TestKilledInReuse kills the engine at each instant of a re-use, under load.
func TestKilledInReuse(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(2000))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	h := startHammer(t, p.source, seed, 2, 2000)
	e.kill()
	p.dropSlot()
	p.exec(p.target, "UPDATE h.random SET n = -1; DELETE FROM h.note WHERE id % 300 = 0; DELETE FROM h.bed WHERE id > 1500")
	p.o.Reuse = true
	for _, hook := range []string{
		"engine: target forgot", "engine: change log forgotten", "engine: plan saved", "engine: slot made",
		"engine: rows removed", "target: adopt before commit", "target: adopt after commit", "engine: chunk received", "engine: before marker",
	} {
		e := startEngine(t, orders{Options: p.o, KillAt: hook, KillNth: 1})
		<-e.gone
		if e.code != -1 || !strings.Contains(e.out.String(), "killed at "+hook) {
			t.Fatalf("engine was not killed at %q but ended with %d:\n%s", hook, e.code, e.out)
		}
	}
	p.finish(h)
}
