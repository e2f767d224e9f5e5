package apply

import (
	"runtime"
	"testing"
	"time"
)

// BenchmarkDrain applies a prepared backlog: 20,000 transactions of five changes (two inserts, two
// updates, one delete) on a table of eleven columns and 100,000 rows.
//
//	go test ./replicator/apply -run '^$' -bench Drain
func BenchmarkDrain(b *testing.B) {
	p := newPair(b, `CREATE TYPE state AS ENUM ('planned', 'active', 'done');
		CREATE TABLE a (k bigint PRIMARY KEY, patient uuid, at timestamptz, code text, value numeric, unit varchar(10),
			note text, s state, ok bool, n int, seen date);
		CREATE INDEX ON a (patient); CREATE INDEX ON a (at)`)
	row := "gen_random_uuid(), now(), 'LOINC-' || g, g / 7.0, 'mmol/l', md5(g::text), 'active', true, g, now()::date"
	p.source("INSERT INTO a SELECT g, " + row + " FROM generate_series(1, 100000) g")
	p.apply()
	p.on(p.dst, "CREATE TABLE saved AS TABLE a; CREATE TABLE saved_position AS TABLE replicator.position")
	p.source(`DO $$DECLARE g int; BEGIN FOR g IN 1..20000 LOOP
		INSERT INTO a SELECT 100000 + 2 * g + i, ` + row + ` FROM generate_series(0, 1) i;
		UPDATE a SET value = value + 1, n = g WHERE k IN (g * 3 + 1, g * 2);
		DELETE FROM a WHERE k = 100000 - g;
		COMMIT; END LOOP; END$$`)
	recs := p.pull(true)
	for b.Loop() {
		b.StopTimer()
		p.on(p.dst, "TRUNCATE a; INSERT INTO a TABLE saved; TRUNCATE replicator.position; INSERT INTO replicator.position TABLE saved_position; CHECKPOINT")
		src := sealAll(recs, 5000)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b.StartTimer()
		start := time.Now()
		res, err := Run(b.Context(), p.cfg, src)
		took := time.Since(start)
		b.StopTimer()
		if err != nil || len(res.Missed) > 0 || res.Applied < recs[len(recs)-1].lsn {
			b.Fatal(err, res.Missed, res.Applied)
		}
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(res.Changes)/took.Seconds(), "changes/s")
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(res.Changes), "allocs/change")
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(res.Changes), "B/change")
		b.StartTimer()
	}
	p.same()
}

// BenchmarkFold is the fold alone.
func BenchmarkFold(b *testing.B) {
	p := newPair(b, "CREATE TABLE a (k bigint PRIMARY KEY, v text, n int, at timestamptz)")
	p.source("INSERT INTO a SELECT g, md5(g::text), g, now() FROM generate_series(1, 10000) g", "UPDATE a SET n = n + 1 WHERE k % 2 = 0", "DELETE FROM a WHERE k % 3 = 0")
	a := p.collect(p.pull(true))
	defer a.session.close()
	recs := len(a.win.changes)
	b.ReportAllocs()
	for b.Loop() {
		if !a.fold.fold(a.win.changes) {
			b.Fatal("replay")
		}
	}
	b.ReportMetric(float64(recs)*float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}
