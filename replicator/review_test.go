package replicator_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// TestStoppedAfterRecopy ends the engine between the second copy of a chunk, whose snapshot is younger
// than the marker, and the new marker: what lies between the old marker and that snapshot must not
// be applied on top of the chunk.
func TestStoppedAfterRecopy(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE note (id int PRIMARY KEY, ver int, big text); ALTER TABLE note ALTER big SET STORAGE EXTERNAL;
		INSERT INTO note SELECT 10 * i, 0, repeat('b', CASE WHEN i % 50 = 0 THEN 9000 ELSE 300 END) FROM generate_series(1, 2000) i; ANALYZE note`)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	move := once("engine: chunk read", 2, func() {
		p.exec(p.source, "UPDATE note SET ver = 1 WHERE id < 100")
		p.exec(p.source, "UPDATE note SET id = 15 WHERE id = 20000")
	})
	var marked, recopied atomic.Bool
	later := once("apply: before commit", 1, func() { p.exec(p.source, "INSERT INTO note VALUES (16, 0, 'new')") })
	o := p.o
	o.Jobs, o.Until = 1, "consistent"
	o.Hook = func(point string) {
		move(point)
		later(point)
		switch {
		case point == "engine: before marker":
			marked.Store(true)
		case point == "target: chunk after commit" && marked.Load():
			recopied.Store(true)
			stop()
		}
	}
	if err := replicator.Seed(ctx, o); fault.CodeOf(err) != fault.Interrupted || !recopied.Load() {
		t.Fatalf("the engine was to be stopped after the second copy of a chunk (%v): %v", recopied.Load(), err)
	}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	if report := p.mustCatchup(); len(report.MissedRows) > 0 {
		t.Errorf("changes that found no row: %v", report.MissedRows)
	}
	p.compare()
}

// TestTargetSetBack takes a receipt away from a target that was consistent, as restoring a backup
// does: following on from there would miss the chunk's rows.
func TestTargetSetBack(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 100)")
	p.seedHere(func(string) {})
	p.exec(p.target, "DELETE FROM replicator.receipt; DELETE FROM a")
	o := p.o
	o.Until = "consistent"
	if err := replicator.Seed(context.Background(), o); fault.CodeOf(err) != fault.PositionLost {
		t.Errorf("seed on a target that was set back: %v, want code %d", err, fault.PositionLost)
	}
}

// TestNewTableAfterRestart makes a table after the plan, of a job that had no late tables, and lets an
// engine find it that has read its plan from the store.
func TestNewTableAfterRestart(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY)")
	p.seedHere(func(string) {})
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "CREATE TABLE later (id int PRIMARY KEY, v text); INSERT INTO later VALUES (1, 'x'); CREATE INDEX ON later (v)")
	p.mustCatchup()
	p.compare()
}

// TestNewTableInSecondCatchup repeats a catch-up that failed after it had copied a table made after the
// plan, while tables come and go: each is copied once.
func TestNewTableInSecondCatchup(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1), (2)")
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, `CREATE TABLE plain (v int); INSERT INTO plain VALUES (1), (2); CREATE TABLE gone (v int);
		CREATE TABLE keyed (id int PRIMARY KEY); INSERT INTO keyed VALUES (1)`)
	p.exec(p.target, "DELETE FROM a WHERE id = 1")
	if _, err := p.catchup(replicator.CatchupOptions{}); fault.CodeOf(err) != fault.Mismatch {
		t.Fatalf("catch-up over a difference: %v", err)
	}
	p.exec(p.target, "INSERT INTO a VALUES (1)")
	p.exec(p.source, "DROP TABLE gone; CREATE TABLE more (id int PRIMARY KEY); INSERT INTO more VALUES (1); INSERT INTO plain VALUES (3)")
	if _, err := p.catchup(replicator.CatchupOptions{Verify: "none"}); err != nil {
		t.Fatalf("second catch-up: %v\n%s", err, e.out)
	}
	p.compare()
}

// fences is how many settings keep the source database read-only.
func (p *pair) fences() string {
	p.t.Helper()
	return p.value(p.source, `SELECT count(*) FROM pg_db_role_setting, pg_database d, unnest(setconfig) s
		WHERE setdatabase = d.oid AND datname = current_database() AND s = 'default_transaction_read_only=on'`)
}

// startHere runs an engine in this process, with a hook, and returns when it follows.
func (p *pair) startHere(hook func(point string)) (end func()) {
	p.t.Helper()
	ctx, stop := context.WithCancel(p.t.Context())
	o, ended := p.o, make(chan error, 1)
	o.Hook = hook
	go func() { ended <- replicator.Seed(ctx, o) }()
	for {
		if s, err := replicator.ReadStatus(ctx, o.Dir, ""); err == nil && s.Running && s.Phase == status.Following {
			return func() { stop(); <-ended }
		}
		select {
		case err := <-ended:
			p.t.Fatalf("engine ended before it followed: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// triggered is a table with a trigger that fires whoever writes: it must not be there while changes
// are applied.
const triggered = `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE log (id serial PRIMARY KEY, a int);
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.log (a) VALUES (NEW.id); RETURN NULL; END $$;
	CREATE TRIGGER note AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE a ENABLE ALWAYS TRIGGER note;
	CREATE TRIGGER other AFTER DELETE ON a FOR EACH ROW EXECUTE FUNCTION note();
	INSERT INTO a SELECT generate_series(1, 10)`

// TestTargetDownInCatchup stops the target in the middle of a catch-up: the wards must get their
// source back although the target cannot be reached, and once it can the job goes on exactly.
func TestTargetDownInCatchup(t *testing.T) {
	t.Parallel()
	p := newPair(t, server(t, "source", cluster.Config{}), ownServer(t, cluster.Config{}))
	p.exec(p.source, triggered)
	ctx := t.Context()
	end := p.startHere(once("engine: step TRIGGER", 2, func() {
		if err := p.targetC.Stop(ctx, "immediate"); err != nil {
			t.Error(err)
		}
	}))
	defer end()
	_, err := p.catchup(replicator.CatchupOptions{Timeout: 5 * time.Second})
	if fault.CodeOf(err) != fault.Interrupted {
		t.Errorf("catch-up without a target: %v", err)
	}
	if n := p.fences(); n != "0" {
		t.Error("the source is still fenced")
	}
	p.exec(p.source, "INSERT INTO a SELECT generate_series(11, 20)")
	if err := p.targetC.Restart(ctx, "immediate"); err != nil {
		t.Fatal(err)
	}
	p.mustCatchup()
	p.compare()
}

// TestFollowsWithoutTriggers kills a catch-up that the operator has fenced once the triggers are there,
// and lets the wards write again: the engine must take the triggers away before it applies.
func TestFollowsWithoutTriggers(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, triggered)
	p.seedHere(func(string) {})
	p.exec(p.source, "CREATE TABLE later (id int); INSERT INTO later VALUES (1)")
	e := startEngine(t, orders{Options: p.o, Catchup: true, Fence: source.FenceOperator, KillAt: "engine: before open", KillNth: 1})
	<-e.gone
	if n := p.value(p.target, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"); e.code != -1 || n != "2" {
		t.Fatalf("catch-up ended with %d and %s triggers on the target:\n%s", e.code, n, e.out)
	}
	p.exec(p.source, "INSERT INTO a SELECT generate_series(11, 20); DROP TABLE later; CREATE TABLE later (id int, v text); INSERT INTO later VALUES (1, 'x')")
	e = startEngine(t, orders{Options: p.o})
	e.await(p.o.Dir, status.Following, status.Fenced)
	p.mustCatchup()
	<-e.gone
	p.compare()
	if n := p.fences(); n != "1" {
		t.Error("a catch-up that was to fence the source itself left that to the operator of the attempt before")
	}
}

// TestOpenTargetKeepsFence kills the engine right after it has opened the target: neither the end of
// the attempt nor the end of the job may let the source take writes as well.
func TestOpenTargetKeepsFence(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY)")
	p.seedHere(func(string) {})
	e := startEngine(t, orders{Options: p.o, Catchup: true, KillAt: "engine: target open", KillNth: 1})
	<-e.gone
	if e.code != -1 {
		t.Fatalf("catch-up ended with %d:\n%s", e.code, e.out)
	}
	if _, err := p.catchup(replicator.CatchupOptions{Abort: true}); fault.CodeOf(err) != fault.Preflight {
		t.Errorf("abort of a catch-up that has opened the target: %v", err)
	}
	if err := replicator.Cleanup(context.Background(), replicator.CleanupOptions{Dir: p.o.Dir}); err != nil {
		t.Errorf("cleanup: %v", err)
	}
	if _, err := os.Stat(p.o.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("state directory after the cleanup: %v", err)
	}
	if n := p.fences(); n != "1" {
		t.Error("both sides take writes")
	}
}

// TestAbortNeedsTheSourceOnly lifts the fence of a killed catch-up while the target is down and the
// slot is lost: whatever the job cannot do any more, the wards get their database back.
func TestAbortNeedsTheSourceOnly(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), ownServer(t, cluster.Config{}))
	p.exec(p.source, triggered)
	p.seedHere(func(string) {})
	e := startEngine(t, orders{Options: p.o, Catchup: true, KillAt: "engine: before finish", KillNth: 1})
	<-e.gone
	if n := p.fences(); e.code != -1 || n != "1" {
		t.Fatalf("catch-up ended with %d and %s fences:\n%s", e.code, n, e.out)
	}
	if err := p.targetC.Stop(context.Background(), "immediate"); err != nil {
		t.Fatal(err)
	}
	p.exec(p.source, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active")
	if _, err := p.catchup(replicator.CatchupOptions{Abort: true}); err != nil {
		t.Errorf("abort: %v", err)
	}
	if n := p.fences(); n != "0" {
		t.Error("the source is still fenced")
	}
}

// TestOpeningFails has the target refuse to be opened: nobody knows then, so the source stays fenced
// until somebody asks for it, and the same engine goes on afterwards.
func TestOpeningFails(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, triggered)
	end := p.startHere(once("engine: before open", 1, func() {
		p.exec(p.target, `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING ERRCODE = ''P0001''; END';
			CREATE TRIGGER no BEFORE UPDATE OF phase ON replicator.job FOR EACH ROW EXECUTE FUNCTION no()`)
	}))
	defer end()
	if _, err := p.catchup(replicator.CatchupOptions{}); err == nil {
		t.Fatal("the target was opened")
	}
	if n := p.fences(); n != "1" {
		t.Error("the source takes writes while the target may be open")
	}
	p.exec(p.target, "DROP FUNCTION no() CASCADE")
	if _, err := p.catchup(replicator.CatchupOptions{Abort: true}); err != nil {
		t.Errorf("abort: %v", err)
	}
	if n := p.fences(); n != "0" {
		t.Error("the source is still fenced")
	}
	p.exec(p.source, "INSERT INTO a SELECT generate_series(11, 20)")
	p.mustCatchup()
	p.compare()
}

// TestKeeperTerminated ends the session that keeps a table's snapshot, again and again, while several
// workers copy the table: it starts over each time, and the job goes on.
func TestKeeperTerminated(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE r (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), pad text);
		INSERT INTO r (pad) SELECT repeat('x', 500) FROM generate_series(1, 3000); ANALYZE r`)
	var read atomic.Int64
	o := p.o
	o.Jobs, o.Until = 3, "consistent"
	o.Hook = func(point string) {
		if point != "engine: chunk read" {
			return
		}
		if n := read.Add(1); n%5 != 0 || n > 100 {
			return
		}
		c := p.connect(p.source)
		defer c.Close()
		_, err := c.Query(context.Background(), `SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE 'replicator/%/snapshot %'`)
		if err != nil {
			t.Error(err)
		}
	}
	if err := replicator.Seed(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	p.compare()
}

// TestAnotherSource goes on with a job whose source's address leads to another server: not a row may
// be read there.
func TestAnotherSource(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	schema := "CREATE TABLE a (id int PRIMARY KEY, pad text); INSERT INTO a SELECT i, repeat('x', 500) FROM generate_series(1, 5000) i; ANALYZE a"
	p.exec(p.source, schema)
	ctx, stop := context.WithCancel(t.Context())
	o := p.o
	o.Jobs, o.Hook = 1, once("engine: chunk received", 2, stop)
	if err := replicator.Seed(ctx, o); fault.CodeOf(err) != fault.Interrupted {
		t.Fatal(err)
	}
	receipts := "SELECT string_agg(chunk || ' ' || snapshot, ', ') FROM replicator.receipt"
	before := p.value(p.target, receipts)
	other, err := ownServer(t, cluster.Config{}).CreateDatabase(t.Context(), p.value(p.source, "SELECT current_database()"))
	if err != nil {
		t.Fatal(err)
	}
	p.exec(other, schema)
	for dsn, want := range map[string]fault.Code{other: fault.PositionLost, p.sourceC.DSN("postgres"): fault.Usage} {
		o = p.o
		o.Source, o.Until = dsn, "consistent"
		if err := replicator.Seed(t.Context(), o); fault.CodeOf(err) != want {
			t.Errorf("seed from another source: %v, want code %d", err, want)
		}
	}
	if after := p.value(p.target, receipts); after != before {
		t.Errorf("receipts are %s, were %s", after, before)
	}
	p.seedHere(func(string) {})
	p.compare()
}

// TestLocksAreBounded makes a job while a table is locked exclusively, and a slot while a transaction
// runs for longer than any lock may be waited for: the first fails and is tried again, the second waits.
func TestLocksAreBounded(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)")
	db := &source.Database{DSN: p.source, Job: "x"}
	c, err := db.Connect(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if v, err := c.Value(t.Context(), "SHOW lock_timeout"); err != nil || v != "2s" {
		t.Errorf("a session on the source waits %s for a lock, %v", v, err)
	}
	long := p.connect(p.source)
	defer long.Close()
	if err := long.Exec(t.Context(), "BEGIN; INSERT INTO a VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	ended := time.AfterFunc(source.LockTimeout+2*time.Second, func() {
		if err := long.Exec(context.Background(), "COMMIT"); err != nil {
			t.Error(err)
		}
	})
	defer ended.Stop()
	p.seedHere(func(string) {})
	p.compare()
}
