package replicator_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator/status"
)

// streams are servers that stream every transaction larger than this, and keep none in memory.
var streams = map[string]string{"logical_decoding_work_mem": "64kB"}

// spooled is what lies in the job's directory of transactions that have not committed.
func (p *pair) spooled() (bytes int64) {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.o.Dir, "changes", "*.spool"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil { // it may go at any moment
			bytes += info.Size()
		}
	}
	return bytes
}

// awaitSpool waits until more than n bytes are there, or the engine is gone.
func (p *pair) awaitSpool(e *engine, n int64) {
	p.t.Helper()
	for late := time.Now().Add(time.Minute); p.spooled() <= n; {
		select {
		case <-e.gone:
			return
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(late) {
			p.t.Fatalf("%d bytes are all that came:\n%s", p.spooled(), e.out)
		}
	}
}

// streamed is the number of transactions that the source has streamed to the job, and spilled for it.
func (p *pair) streamed() (streamed, spilled int) {
	p.t.Helper()
	v := p.value(p.source, `SELECT coalesce(sum(stream_txns), 0) || ' ' || coalesce(sum(spill_txns), 0) FROM pg_stat_replication_slots
		JOIN pg_replication_slots USING (slot_name) WHERE database = current_database()`)
	a, b, _ := strings.Cut(v, " ")
	streamed, _ = strconv.Atoi(a)
	spilled, _ = strconv.Atoi(b)
	return streamed, spilled
}

const bulkSchema = `CREATE TABLE h.bulk (id int PRIMARY KEY, v text); GRANT ALL ON h.bulk TO ward;`

// TestStreamedAndKilled has transactions streamed while the tables are hammered, kills the engine while
// they wait in the spool and while they are replayed, restarts the source under them, and wants both
// sides equal.
func TestStreamedAndKilled(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 97))
	p := newPair(t, ownServer(t, cluster.Config{Settings: streams}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+bulkSchema+hammerRows(500))
	h := startHammer(t, p.source, seed, 2, 500)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.kill()
	for i, hook := range []string{"stream: block spooled", "", "stream: replayed", "stream: block spooled", "changelog: before fsync", "stream: after sync", "stream: replayed", "apply: before commit"} {
		e := startEngine(t, orders{Options: p.o, KillAt: hook, KillNth: 1 + r.IntN(3)})
		commit := p.bulk(r, i*100_000)
		if i%3 == 0 {
			p.awaitSpool(e, p.spooled())
		}
		if hook == "" { // it dies with its server, and is rolled back
			p.awaitSpool(e, 0)
			if err := p.sourceC.Restart(context.Background(), "immediate"); err != nil {
				t.Fatal(err)
			}
			e.kill()
			continue
		}
		if i == 3 { // it is killed while the transaction is under way
			<-e.gone
		}
		commit()
		for n := 0; hook == "stream: replayed"; n++ { // that comes once for each
			select {
			case <-e.gone:
				hook = ""
			default:
				p.bulk(r, i*100_000+(n+1)*5000)()
			}
		}
		select {
		case <-e.gone:
		case <-time.After(time.Minute):
			t.Fatalf("engine was not killed at %q", hook)
		}
	}
	p.finish(h)
	if p.spooled() != 0 {
		t.Error("the spool is not empty in the end")
	}
}

// bulk begins a large transaction with a savepoint that is rolled back, and returns what ends it.
func (p *pair) bulk(r *rand.Rand, from int) (commit func()) {
	p.t.Helper()
	c := p.connect(p.source)
	p.t.Cleanup(func() { c.Close() })
	rows := func(from int) string {
		return "INSERT INTO h.bulk SELECT i, '" + canary + "' || repeat('x', 100) FROM generate_series(" + strconv.Itoa(from) + ", " + strconv.Itoa(from+999) + ") i; "
	}
	id := strconv.Itoa(from + r.IntN(1000))
	sql := "BEGIN; " + rows(from) + "SAVEPOINT s; " + rows(from+1000) + "TRUNCATE h.bulk; ROLLBACK TO s; " + rows(from+2000) +
		"UPDATE h.bulk SET id = -id WHERE id < " + id + " AND id > " + strconv.Itoa(from) + "; DELETE FROM h.bulk WHERE id = " + id
	if err := c.Exec(context.Background(), sql); err != nil {
		p.t.Fatal(err)
	}
	return func() {
		if err := c.Exec(context.Background(), "COMMIT"); err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestStreamingGivesWay: where there is no room for what has not committed, or the source cannot
// decode it before it has, the source keeps it until the commit, and everything arrives. 15.18 could not
// decode this one, 15.20 can.
func TestStreamingGivesWay(t *testing.T) {
	p := newPair(t, server(t, "streaming source", cluster.Config{Settings: streams}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE drift (id int PRIMARY KEY, v text)")
	p.o.LogBudget = 32 << 20
	p.o.Select.ExcludeTables = []string{"drift"}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	const refused = "large transactions cannot be streamed for now"
	// A column is added, taken back, and added again, in a transaction that is large.
	p.exec(p.source, `BEGIN; SAVEPOINT a; ALTER TABLE drift ADD w int; INSERT INTO drift SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i; ROLLBACK TO a;
		INSERT INTO drift SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i; ALTER TABLE drift ADD w int; INSERT INTO t SELECT i, 'x' FROM generate_series(1, 2000) i; COMMIT`)
	p.mustApply(e)
	n := strings.Count(e.out.String(), refused)
	if knows := p.value(p.source, "SELECT current_setting('server_version_num')::int > 150018") == "t"; n != 1 && !(knows && n == 0) {
		t.Errorf("it was said %d times that the source could not decode:\n%s", n, e.out)
	}
	e.terminate()
	p.compare1("t")

	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, "BEGIN; INSERT INTO t SELECT i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 100) j) FROM generate_series(10000, 16000) i; COMMIT")
	p.mustApply(e)
	if n := strings.Count(e.out.String(), refused); n != 1 || !strings.Contains(e.out.String(), "half of the change log's budget") {
		t.Errorf("it was said %d times that there was no room:\n%s", n, e.out)
	}
	p.compare1("t")
	e.terminate()

	// The flag is kept for runs without it.
	before, _ := p.streamed()
	for i, flag := range []string{"off", "", "on", ""} {
		p.o.Streaming = flag
		e = startEngine(t, orders{Options: p.o})
		e.mustReach(p.o.Dir, status.Following)
		p.exec(p.source, "INSERT INTO t SELECT i, 'x' FROM generate_series("+strconv.Itoa(100_000+i*2000)+", "+strconv.Itoa(100_000+i*2000+1999)+") i")
		p.mustApply(e)
		e.terminate()
		// The walsender has told its numbers when it is gone.
		now, _ := p.streamed()
		if (now > before) != (i >= 2) {
			t.Errorf("run %d, flag %q: %d transactions were streamed, then %d", i, flag, before, now)
		}
		before = now
	}
	p.compare1("t")
}

// compare1 compares one table.
func (p *pair) compare1(table string) {
	p.t.Helper()
	sum := "SELECT count(*) || ' rows, sum ' || coalesce(sum(hashtextextended(x::text, 0)::numeric), 0) FROM " + table + " x"
	if s, t := p.value(p.source, sum), p.value(p.target, sum); s != t {
		p.t.Errorf("table %s differs: source %s, target %s", table, s, t)
	}
}
