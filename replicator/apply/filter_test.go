package apply

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/pgoutput"
)

// ranges is a Filter over tables whose key is an int4, cut at bounds, and tables without a key.
type ranges struct {
	bounds    []int
	snapshots map[[2]int]wal.Snapshot // by table and chunk
	keyed     map[int]bool
}

func (r *ranges) Cover(table int, key pgoutput.Value) (int, error) {
	if !r.keyed[table] {
		return 0, nil
	}
	k, err := 0, error(nil)
	if key.Kind == 'b' {
		k = int(int32(binary.BigEndian.Uint32(key.Data)))
	} else {
		k, err = strconv.Atoi(string(key.Data))
	}
	c := 0
	for c < len(r.bounds) && k >= r.bounds[c] {
		c++
	}
	return c, err
}

func (r *ranges) Seen(table, chunk int, xid uint32) bool {
	return r.snapshots[[2]int{table, chunk}].Sees(xid)
}

func (r *ranges) Judges(int) bool { return true }

func (r *ranges) Chunks(table int) int {
	if !r.keyed[table] {
		return 1
	}
	return len(r.bounds) + 1
}

func (r *ranges) Where(table, chunk int) string {
	if !r.keyed[table] {
		return ""
	}
	var cond []string
	if chunk > 0 {
		cond = append(cond, fmt.Sprintf("k >= %d", r.bounds[chunk-1]))
	}
	if chunk < len(r.bounds) {
		cond = append(cond, fmt.Sprintf("k < %d", r.bounds[chunk]))
	}
	return strings.Join(cond, " AND ")
}

// copyChunk reads a chunk under a snapshot of its own and puts it in place of what the target has.
func (p *pair) copyChunk(c *pg.Conn, r *ranges, table, chunk int) {
	p.t.Helper()
	t := &p.cfg.Tables[table]
	where := r.Where(table, chunk)
	if where == "" {
		where = "true"
	}
	p.on(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE ONLY "+t.Qualified()+" IN ACCESS SHARE MODE")
	snap, err := wal.ParseSnapshot(query(p.t, c, "SELECT pg_current_snapshot()")[0][0])
	if err != nil {
		p.t.Fatal(err)
	}
	var rows strings.Builder
	sql := fmt.Sprintf("COPY (SELECT %s FROM ONLY %s WHERE %s) TO STDOUT", t.ColumnList(), t.Qualified(), where)
	if _, err := c.CopyTo(context.Background(), &rows, sql); err != nil {
		p.t.Fatal(err)
	}
	p.on(c, "COMMIT")
	p.on(p.dst, fmt.Sprintf("DELETE FROM ONLY %s WHERE %s", t.Qualified(), where))
	sql = fmt.Sprintf("COPY %s (%s) FROM STDIN", t.Qualified(), t.ColumnList())
	if _, err := p.dst.CopyFrom(context.Background(), strings.NewReader(rows.String()), sql); err != nil {
		p.t.Fatal(err)
	}
	r.snapshots[[2]int{table, chunk}] = snap
}

// TestFilter copies chunks under different snapshots while transactions begin, write and commit in
// between, then applies the log through the filter.
func TestFilter(t *testing.T) {
	seed := newSeed(t)
	for n := range 6 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := chunkWriter{rand.New(rand.NewPCG(seed, uint64(n)))}
			p := newPair(t, `CREATE TABLE a (k int PRIMARY KEY, n int, t text); ALTER TABLE a ALTER t SET STORAGE EXTERNAL;
				CREATE TABLE f (n int, t text); ALTER TABLE f REPLICA IDENTITY FULL`)
			p.source("INSERT INTO a SELECT g, g, 'x' FROM generate_series(0, 39, 2) g", "INSERT INTO f SELECT g % 4, 'x' FROM generate_series(1, 20) g")
			p.skipLog()
			f := &ranges{bounds: []int{5, 10, 15, 20, 25, 30, 35}, snapshots: map[[2]int]wal.Snapshot{}, keyed: map[int]bool{0: true}}
			w.copyAll(p, f)
			recs := p.pull(n%2 == 0)
			p.cfg.Filter = f
			p.cfg.Limits.Changes = 1 + w.r.IntN(50)
			again := 0
			for {
				res, err := p.try(recs)
				var recopy *RecopyError
				if errors.As(err, &recopy) {
					p.copyChunk(p.src, f, recopy.Table, recopy.Chunk)
					again++
					continue
				}
				if err != nil || len(res.Missed) > 0 {
					t.Fatalf("%v, missed %v", err, res.Missed)
				}
				t.Logf("%d applied, %d skipped, %d chunks again", res.Changes, res.Skipped, again)
				break
			}
			p.same()
		})
	}
}

// TestRecopy moves a row, without its unchanged value, into a chunk that was copied before from a
// chunk that is copied after.
func TestRecopy(t *testing.T) {
	for _, limit := range []int{1000, 1} {
		p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, n int, t text); ALTER TABLE a ALTER t SET STORAGE EXTERNAL")
		p.source("INSERT INTO a VALUES (1, 1, "+big(1)+"), (2, 2, 'x')", "INSERT INTO a VALUES (15, 1, 'y')")
		p.skipLog()
		f := &ranges{bounds: []int{10}, snapshots: map[[2]int]wal.Snapshot{}, keyed: map[int]bool{0: true}}
		p.copyChunk(p.src, f, 0, 1)
		p.source("INSERT INTO a VALUES (20, 0, 'before')",
			"BEGIN; INSERT INTO a VALUES (21, 0, 'same'), (22, 0, 'same'); UPDATE a SET k = 11 WHERE k = 1; COMMIT", "INSERT INTO a VALUES (23, 0, 'after')")
		p.copyChunk(p.src, f, 0, 0)
		p.cfg.Filter, p.cfg.Limits.Changes = f, limit
		recs := p.pull(true)
		_, err := p.try(recs)
		if e := wantCode[*RecopyError](t, err); *e != (RecopyError{0, 1}) {
			t.Errorf("have %v", e)
		}
		if have := query(t, p.dst, "SELECT string_agg(k::text, ',' ORDER BY k) FROM a")[0][0]; have != "2,15,20" {
			t.Errorf("have keys %s", have)
		}
		p.copyChunk(p.src, f, 0, 1)
		p.applied(recs)
		p.same()
	}
}

// chunkWriter makes statements that move rows between the chunks of table a.
type chunkWriter struct{ r *rand.Rand }

func (w chunkWriter) statement() string {
	k, l, n := w.r.IntN(40), w.r.IntN(40), w.r.IntN(100)
	if w.r.IntN(80) == 0 {
		return []string{"TRUNCATE a", "TRUNCATE f", "TRUNCATE a, f"}[w.r.IntN(3)]
	}
	all := []string{
		fmt.Sprintf("INSERT INTO a VALUES (%d, %d, %s)", k, n, big(n)),
		fmt.Sprintf("INSERT INTO a VALUES (%d, %d, 'y')", k, n),
		fmt.Sprintf("UPDATE a SET n = %d WHERE k = %d", n, k),
		fmt.Sprintf("UPDATE a SET k = %d WHERE k = %d", l, k),
		fmt.Sprintf("UPDATE a SET k = %d, t = 'z' WHERE k = %d", l, k),
		fmt.Sprintf("DELETE FROM a WHERE k = %d", k),
		fmt.Sprintf("INSERT INTO f VALUES (%d, 'y')", n%4),
		fmt.Sprintf("UPDATE f SET n = %d WHERE n = %d", l%4, k%4),
		fmt.Sprintf("DELETE FROM f WHERE ctid = (SELECT ctid FROM f LIMIT 1 OFFSET %d)", n%9),
	}
	return all[w.r.IntN(len(all))]
}

// copyAll copies the chunks in random order between the statements of three sessions, whose
// transactions overlap. A session that would wait for another gives its transaction up.
func (w chunkWriter) copyAll(p *pair, f *ranges) {
	ctx := context.Background()
	type part struct{ table, chunk int }
	parts := []part{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}, {0, 6}, {0, 7}, {1, 0}}
	w.r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	reader := connect(p.t, server.DSN(p.name+"s"))
	defer reader.Close()
	var sessions []*pg.Conn
	for range 3 {
		c := connect(p.t, server.DSN(p.name+"s"))
		defer c.Close()
		p.on(c, "SET search_path = public; SET lock_timeout = '1ms'; BEGIN")
		sessions = append(sessions, c)
	}
	p.on(reader, "SET lock_timeout = '1ms'")
	for len(parts) > 0 {
		c := sessions[w.r.IntN(len(sessions))]
		switch err := c.Exec(ctx, w.statement()); {
		case err != nil:
			p.on(c, "ROLLBACK; BEGIN")
		case w.r.IntN(3) == 0:
			p.on(c, "COMMIT; BEGIN")
		}
		if w.r.IntN(25) > 0 {
			continue
		}
		t := p.cfg.Tables[parts[0].table]
		if err := reader.Exec(ctx, "BEGIN; LOCK TABLE ONLY "+t.Qualified()+" IN ACCESS SHARE MODE"); err != nil {
			p.on(reader, "ROLLBACK") // a TRUNCATE has not committed
			continue
		}
		p.on(reader, "COMMIT")
		p.copyChunk(reader, f, parts[0].table, parts[0].chunk)
		parts = parts[1:]
	}
	for _, c := range sessions {
		for range 15 {
			if c.Exec(ctx, w.statement()) != nil {
				p.on(c, "ROLLBACK; BEGIN")
			}
		}
		p.on(c, "COMMIT")
	}
}
