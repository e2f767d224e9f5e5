package replicator_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/status"
)

// seedHere runs an engine in this process, with a hook, to the consistent point.
func (p *pair) seedHere(hook func(point string)) {
	p.t.Helper()
	o := p.o
	o.Jobs, o.Until, o.Hook = 1, "consistent", hook
	if err := replicator.Seed(context.Background(), o); err != nil {
		p.t.Fatal(err)
	}
}

// once runs f at the nth time that a point is passed.
func once(point string, nth int64, f func()) func(string) {
	var n atomic.Int64
	return func(at string) {
		if at == point && n.Add(1) == nth {
			f()
		}
	}
}

// TestUniqueValuesMoveBetweenChunks moves unique values between rows of chunks that are read before
// and after the move: for a moment the target holds a value twice, or misses one.
func TestUniqueValuesMoveBetweenChunks(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE bed (id int PRIMARY KEY, patient int UNIQUE, ward text, pad text, EXCLUDE USING btree (ward WITH =));
		INSERT INTO bed SELECT i, i, 'ward ' || i, repeat('x', 500) FROM generate_series(1, 2000) i; ANALYZE bed`)
	p.seedHere(once("engine: chunk read", 2, func() {
		p.exec(p.source, `UPDATE bed SET patient = NULL, ward = NULL WHERE id = 5;
			UPDATE bed SET patient = 5, ward = 'ward 5' WHERE id = 1990;
			UPDATE bed SET patient = 1990 WHERE id = 5`)
	}))
	if n := p.value(p.target, "SELECT count(*) FROM replicator.receipt"); n == "1" {
		t.Fatal("the table was one chunk: the test shows nothing")
	}
	p.compare()
	if c := p.value(p.target, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'bed'::regclass AND contype IN ('p', 'u', 'x')"); c != "3" {
		t.Errorf("target has %s of 3 constraints", c)
	}
}

// TestRowMovesIntoReadChunk moves a row with a TOAST value from a chunk that is read later into one that
// was read: only the insert is due, and the value does not travel. The chunk is copied again.
func TestRowMovesIntoReadChunk(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE note (id int PRIMARY KEY, ver int, big text); ALTER TABLE note ALTER big SET STORAGE EXTERNAL;
		INSERT INTO note SELECT 10 * i, 0, repeat('b', CASE WHEN i % 50 = 0 THEN 9000 ELSE 300 END) FROM generate_series(1, 2000) i; ANALYZE note`)
	p.seedHere(once("engine: chunk read", 2, func() {
		p.exec(p.source, `UPDATE note SET ver = 1 WHERE id < 100; UPDATE note SET id = 15 WHERE id = 20000; UPDATE note SET ver = 2 WHERE id IN (10, 15)`)
	}))
	if v := p.value(p.target, "SELECT length(big) FROM note WHERE id = 15"); v != "9000" {
		t.Errorf("moved row has a value of %s bytes, want 9000", v)
	}
	p.compare()
}

// TestTruncateBetweenChunks truncates a table that is read in part.
func TestTruncateBetweenChunks(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE q (id int PRIMARY KEY, pad text);
		INSERT INTO q SELECT i, repeat('x', 500) FROM generate_series(1, 2000) i; ANALYZE q`)
	p.seedHere(once("engine: chunk received", 2, func() {
		p.exec(p.source, `INSERT INTO q VALUES (0, 'before'); TRUNCATE q; INSERT INTO q SELECT i, 'after' FROM generate_series(1, 2000, 3) i`)
	}))
	p.compare()
}

// TestCatchupRefusesDifference plants a difference on the target: catch-up must not open it, must say
// which table, and must leave the source writable and the job following.
func TestCatchupRefusesDifference(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.target, "UPDATE h.bed SET pad = 'damaged' WHERE id = 7")
	report, err := p.catchup(replicator.CatchupOptions{})
	if err == nil || !strings.Contains(err.Error(), "h.bed") {
		t.Fatalf("catch-up over a difference: %v", err)
	}
	if d := report.Different(); len(d) != 1 || d[0].Name != "h.bed" {
		t.Errorf("report names %v", d)
	}
	p.exec(p.source, "UPDATE h.account SET balance = balance + 1; UPDATE h.bed SET pad = 'mended' WHERE id = 7")
	p.mustCatchup()
	<-e.gone
	p.compare()
	if v := p.value(p.source, "SHOW default_transaction_read_only"); v != "off" {
		t.Logf("the test's session pins it: %s", v)
	}
	if n := p.value(p.source, "SELECT count(*) FROM pg_db_role_setting, pg_database d WHERE setdatabase = d.oid AND datname = current_database()"); n != "1" {
		t.Errorf("after open the source database must stay read-only")
	}
}

// TestRehearsalChangesNothing rehearses and then looks for traces.
func TestRehearsalChangesNothing(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "CREATE TABLE h.made_later (id int PRIMARY KEY); INSERT INTO h.made_later VALUES (1)")
	look := "SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_trigger) || ' ' || (SELECT last_value FROM h.ticket)"
	before := p.value(p.target, look)
	report, err := p.catchup(replicator.CatchupOptions{Rehearse: true})
	if err != nil {
		t.Fatal(err)
	}
	if report.Outcome != "rehearsed" || report.Predicted <= 0 {
		t.Errorf("rehearsal: outcome %s, predicted %v s", report.Outcome, report.Predicted)
	}
	if after := p.value(p.target, look); after != before {
		t.Errorf("rehearsal changed the target: %s, was %s", after, before)
	}
	p.exec(p.source, "UPDATE h.account SET memo = 'still writable'")
	p.mustCatchup()
	p.compare()
}
