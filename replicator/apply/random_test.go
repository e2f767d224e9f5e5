package apply

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var seedFlag = flag.Uint64("seed", 0, "of the random tests; 0 draws one")

func newSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	return seed
}

const randomSchema = `
	CREATE TABLE a (k int PRIMARY KEY, n int, u int UNIQUE, t text, l int[]);
	ALTER TABLE a ALTER t SET STORAGE EXTERNAL;
	CREATE TABLE b (x text, y int, v numeric, w text, PRIMARY KEY (y, x));
	CREATE TABLE d (k numeric PRIMARY KEY, u int UNIQUE DEFERRABLE INITIALLY DEFERRED, r int4range, EXCLUDE USING gist (r WITH &&));
	CREATE TABLE f (v float8, t text, j json); ALTER TABLE f REPLICA IDENTITY FULL; ALTER TABLE f ALTER t SET STORAGE EXTERNAL;
	CREATE TABLE g (k int PRIMARY KEY, t text, n int); ALTER TABLE g REPLICA IDENTITY FULL; ALTER TABLE g ALTER t SET STORAGE EXTERNAL;
	CREATE TABLE e (k int PRIMARY KEY, u int UNIQUE, n int);`

// writer makes random statements over few keys, so that they meet.
type writer struct{ r *rand.Rand }

func (w writer) k() int { return w.r.IntN(12) }

func (w writer) text() string {
	switch w.r.IntN(4) {
	case 0:
		return "NULL"
	case 1:
		return "''"
	case 2:
		return fmt.Sprintf("'v%d'", w.r.IntN(5))
	}
	return big(w.r.IntN(1000))
}

func (w writer) statement() string {
	k, l, n := w.k(), w.k(), w.r.IntN(1000)
	all := []string{
		fmt.Sprintf("INSERT INTO a VALUES (%d, %d, %d, %s, '{%d}')", k, n, w.k(), w.text(), n),
		fmt.Sprintf("INSERT INTO a SELECT g, %d, g, 'x', NULL FROM generate_series(%d, %d) g", n, 100+k, 140+k),
		fmt.Sprintf("UPDATE a SET n = %d WHERE k = %d", n, k),
		fmt.Sprintf("UPDATE a SET n = %d WHERE k > %d", n, k),
		fmt.Sprintf("UPDATE a SET u = %d, n = %d WHERE k = %d", w.k(), n, k),
		fmt.Sprintf("UPDATE a SET u = NULL WHERE u = %d", l),
		fmt.Sprintf("UPDATE a SET u = %d WHERE k = %d AND NOT EXISTS (SELECT FROM a WHERE u = %d)", l, k, l),
		fmt.Sprintf("UPDATE a SET u = u + 50 WHERE u BETWEEN %d AND 20", l),
		fmt.Sprintf("UPDATE a SET u = 60 - u WHERE u BETWEEN 50 AND %d", 50+l),
		fmt.Sprintf("INSERT INTO a SELECT g, g, NULL, %s, NULL FROM generate_series(0, 20) g ON CONFLICT DO NOTHING", w.text()),
		fmt.Sprintf("UPDATE a SET t = %s WHERE k = %d", w.text(), k),
		fmt.Sprintf("UPDATE a SET k = %d WHERE k = %d", l, k),
		fmt.Sprintf("UPDATE a SET k = k + 200, u = NULL WHERE k BETWEEN %d AND 20", k),
		fmt.Sprintf("DELETE FROM a WHERE k = %d", k),
		fmt.Sprintf("DELETE FROM a WHERE k > %d", 20+k),
		fmt.Sprintf("INSERT INTO b VALUES ('%d', %d, %d, %s)", k%3, l%4, n, w.text()),
		fmt.Sprintf("UPDATE b SET v = v + 1 WHERE y = %d", l%4),
		fmt.Sprintf("UPDATE b SET x = '%d' WHERE x = '%d' AND y = %d", l%3, k%3, l%4),
		fmt.Sprintf("DELETE FROM b WHERE y = %d AND x = '%d'", k%4, l%3),
		fmt.Sprintf("INSERT INTO d VALUES (%d.%s, %d, '[%d,%d)')", k, strings.Repeat("0", n%3), l, 2*l, 2*l+1),
		fmt.Sprintf("UPDATE d SET k = %d.%s WHERE k = %d", k, strings.Repeat("0", n%3), k),
		fmt.Sprintf("UPDATE d SET u = %d - u", 11),
		fmt.Sprintf("UPDATE d SET r = '[%d,%d)' WHERE k = %d", 2*l, 2*l+1, k),
		fmt.Sprintf("DELETE FROM d WHERE k = %d", k),
		fmt.Sprintf("INSERT INTO f SELECT %d, %s, '{\"a\": %d}' FROM generate_series(1, %d)", k, w.text(), l%2, 1+n%3),
		fmt.Sprintf("INSERT INTO f VALUES ('NaN', NULL, NULL), ('-0', 'x', 'null'), (%d, 'x', 'null')", k),
		fmt.Sprintf("UPDATE f SET v = v + 1 WHERE v = %d", k),
		fmt.Sprintf("UPDATE f SET t = %s WHERE v = %d", w.text(), k),
		fmt.Sprintf("DELETE FROM f WHERE ctid = (SELECT ctid FROM f ORDER BY v, t LIMIT 1 OFFSET %d)", n%5),
		fmt.Sprintf("DELETE FROM f WHERE v > %d", 3+n%30),
		"INSERT INTO e SELECT g, g FROM generate_series(0, 9) g ON CONFLICT DO NOTHING",
		// A bed that is free, which often is one that another patient has just left.
		fmt.Sprintf("UPDATE e SET u = (SELECT g FROM generate_series(0, 11) g WHERE NOT EXISTS (SELECT FROM e WHERE u = g) LIMIT 1) WHERE k = %d", k),
		fmt.Sprintf("UPDATE e SET u = (SELECT g FROM generate_series(11, 0, -1) g WHERE NOT EXISTS (SELECT FROM e WHERE u = g) LIMIT 1) WHERE k = %d", k),
		fmt.Sprintf("UPDATE e SET n = %d WHERE k = %d", n, k),
		fmt.Sprintf("INSERT INTO g VALUES (%d, %s, %d)", k, w.text(), n),
		fmt.Sprintf("UPDATE g SET k = %d WHERE k = %d", l, k),
		fmt.Sprintf("UPDATE g SET n = %d WHERE k = %d", n, k),
		fmt.Sprintf("DELETE FROM g WHERE k = %d", k),
	}
	if w.r.IntN(200) == 0 {
		return []string{"TRUNCATE a, b", "TRUNCATE f RESTART IDENTITY", "TRUNCATE d, g CASCADE"}[w.r.IntN(3)]
	}
	return all[w.r.IntN(len(all))]
}

// transaction runs 1 to 12 statements; those that a constraint refuses are rolled back alone, and
// so are some that succeeded. A commit that a deferred constraint refuses is no transaction.
func (w writer) transaction(p *pair) {
	ctx := context.Background()
	p.on(p.src, "BEGIN")
	for range 1 + w.r.IntN(12) {
		p.on(p.src, "SAVEPOINT s")
		if err := p.src.Exec(ctx, w.statement()); err != nil || w.r.IntN(10) == 0 {
			p.on(p.src, "ROLLBACK TO s")
		}
	}
	if p.src.Exec(ctx, "COMMIT") != nil {
		p.on(p.src, "ROLLBACK")
	}
}

// TestRandom compares with the source: folded in windows of random size, and all in order.
func TestRandom(t *testing.T) {
	seed := newSeed(t)
	for n := range 4 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, uint64(n)))
			w := writer{r}
			p := newPair(t, randomSchema)
			changes := int64(0)
			for range 12 {
				for range 1 + r.IntN(15) {
					w.transaction(p)
				}
				recs := p.pull(r.IntN(4) > 0)
				p.cfg.Limits.Changes = 1 + r.IntN(100)*r.IntN(10)
				if n == 3 {
					p.inOrder(recs)
				} else {
					changes += p.applied(recs).Changes
				}
				p.same()
			}
			t.Logf("%d changes, %d replays", changes, p.replays())
		})
	}
}

// inOrder applies records as one window by replay alone.
func (p *pair) inOrder(recs []record) {
	p.t.Helper()
	a := p.collect(recs)
	defer a.session.close()
	if a.win.done.changes == 0 {
		return
	}
	ctx := context.Background()
	err := a.session.begin(ctx, a.position)
	if err == nil {
		err = a.executor().apply(ctx, a.win.changes, true)
	}
	if err == nil {
		err = a.seal(ctx, a.win.end)
	}
	if err != nil || len(a.miss) > 0 {
		p.t.Fatalf("%v, missed %v", err, a.miss)
	}
}

// collect reads records into one window and leaves it there.
func (p *pair) collect(recs []record) *applier {
	p.t.Helper()
	cfg := p.cfg
	if err := cfg.validate(); err != nil {
		p.t.Fatal(err)
	}
	cfg.Limits = Limits{Changes: 1 << 30, Bytes: 1 << 40, Delay: 1 << 60}
	a := &applier{cfg: cfg, in: newIntake(), relations: newRelations(cfg.Tables), miss: map[int]int64{}}
	a.report = newReporter(a.warnMissed)
	a.fold.init(&a.win)
	ctx := context.Background()
	if err := a.connect(ctx); err != nil {
		p.t.Fatal(err)
	}
	a.win.hold(nil)
	for _, r := range recs {
		if err := a.record(ctx, r.lsn, r.kind, r.msg); err != nil {
			p.t.Fatal(err)
		}
	}
	return a
}
