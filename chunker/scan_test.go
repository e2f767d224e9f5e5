package chunker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/pg"
)

// TestDamage plants what can go wrong with rows, on either side, in a table whose copy lies in
// another order, and wants it named.
func TestDamage(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 18)
	p.both(t, `CREATE TABLE ward (id bigint, label text, bed int, weight float8, note text, PRIMARY KEY (bed, id));
		ALTER TABLE ward ALTER note SET STORAGE EXTERNAL`)
	p.src.do(t, `INSERT INTO ward SELECT i, 'patient ' || i, i % 7, 0, CASE WHEN i % 10 = 0 THEN '' WHEN i % 10 = 1 THEN repeat(md5(i::text), 1000) END
		FROM generate_series(1, 2000) i`)
	table := p.src.table(t, "ward")
	p.copy(t, table, "ORDER BY md5(id::text)")
	p.both(t, "ANALYZE ward; CREATE TABLE saved AS TABLE ward")
	p.equal(t, table)
	mirror := map[string]string{"only on source": "only on target", "only on target": "only on source", "different": "different"}
	for _, c := range []struct {
		name, sql string
		want      [][2]string // kind, where the source was damaged, and key
	}{
		{"missing", "DELETE FROM ward WHERE id = 700", [][2]string{{"only on target", "0,700"}}},
		{"extra", "INSERT INTO ward VALUES (5000, 'x', -1, 'NaN', NULL)", [][2]string{{"only on source", "-1,5000"}}},
		{"key changed", "UPDATE ward SET id = 5001 WHERE id = 14", [][2]string{{"only on target", "0,14"}, {"only on source", "0,5001"}}},
		{"swapped", "UPDATE ward SET label = 'patient ' || 29 - id WHERE id IN (14, 15)", [][2]string{{"different", "0,14"}, {"different", "1,15"}}},
		{"NULL for empty", "UPDATE ward SET note = NULL WHERE id = 70", [][2]string{{"different", "0,70"}}},
		{"empty for NULL", "UPDATE ward SET note = '' WHERE id = 77", [][2]string{{"different", "0,77"}}},
		{"float -0", "UPDATE ward SET weight = '-0' WHERE id = 700", [][2]string{{"different", "0,700"}}},
		{"float a bit off", "UPDATE ward SET weight = 5e-324 WHERE id = 700", [][2]string{{"different", "0,700"}}},
		{"truncated toast", "UPDATE ward SET note = left(note, -1) WHERE id = 21", [][2]string{{"different", "0,21"}}},
		{"a byte of toast", "UPDATE ward SET note = overlay(note PLACING 'x' FROM 20000) WHERE id = 21", [][2]string{{"different", "0,21"}}},
		{"toast lost", "UPDATE ward SET note = NULL WHERE id = 21", [][2]string{{"different", "0,21"}}},
		{"trailing blank", "UPDATE ward SET label = label || ' ' WHERE id = 1", [][2]string{{"different", "1,1"}}},
		{"all at once", "DELETE FROM ward WHERE id = 700; UPDATE ward SET label = '' WHERE id = 1; INSERT INTO ward VALUES (5000, '', -1)",
			[][2]string{{"only on target", "0,700"}, {"different", "1,1"}, {"only on source", "-1,5000"}}},
	} {
		for side, d := range map[string]*database{"source": p.src, "target": p.tgt} {
			d.do(t, c.sql)
			var want []string
			for _, w := range c.want {
				if kind := w[0]; side == "source" {
					want = append(want, kind+" "+w[1])
				} else {
					want = append(want, mirror[kind]+" "+w[1])
				}
			}
			if p.differ(t, table, want...); t.Failed() {
				t.Fatalf("%s on the %s", c.name, side)
			}
			d.do(t, "BEGIN; DELETE FROM ward; INSERT INTO ward SELECT * FROM saved ORDER BY random(); COMMIT")
		}
	}
	p.equal(t, table)
}

// TestCopies: rows of a table without key are counted; a NULL row and an empty one are rows, too.
func TestCopies(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 15)
	p.both(t, "CREATE TABLE log (a int, b text); CREATE TABLE nothing ()")
	p.src.do(t, "INSERT INTO log VALUES (1, 'x'), (1, 'x'), (2, 'y'), (NULL, NULL), (NULL, ''), (NULL, '')")
	log := p.src.table(t, "log")
	p.copy(t, log, "ORDER BY b, a")
	p.equal(t, log)
	p.src.do(t, "INSERT INTO log VALUES (1, 'x')")
	p.differ(t, log, "only on source -")
	p.tgt.do(t, "INSERT INTO log SELECT a, b FROM log WHERE a = 1 LIMIT 1")
	p.equal(t, log)
	p.tgt.do(t, "INSERT INTO log SELECT 2, 'y' FROM generate_series(1, 40)")
	d := p.differences(t, log)
	if len(d) != 1 || d[0].Source != 0 || d[0].Target != 40 {
		t.Fatalf("40 copies more are %v", d)
	}
	_, tgt := p.sides(log)
	rows, err := tgt.Locate(t.Context(), []checksum.KeyHash{d[0].Key})
	if err != nil || len(rows) != 16 {
		t.Fatalf("%d rows located: %v", len(rows), err)
	}
	for _, r := range rows {
		if got := p.tgt.value(t, fmt.Sprintf("SELECT b FROM log WHERE ctid = '%s'", r.CTID)); got != "y" || r.Key != nil {
			t.Errorf("%v is the row of %q", r, got)
		}
	}
	nothing := p.src.table(t, "nothing")
	p.equal(t, nothing)
	p.src.do(t, "INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES")
	p.tgt.do(t, "INSERT INTO nothing DEFAULT VALUES")
	p.differ(t, nothing, "only on source -")
	nothing.Text = true
	p.differ(t, nothing, "only on source -")
}

// TestArrayBitmap: a slice of an array with NULLs has a bitmap of NULLs, and none of them; its copy
// has neither. They are equal.
func TestArrayBitmap(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 15)
	p.both(t, "CREATE TABLE slices (a int[] PRIMARY KEY, b text[])")
	p.src.do(t, "INSERT INTO slices VALUES ((ARRAY[NULL, 1, 2])[2:3], (ARRAY['a', NULL, 'b'])[1:1])")
	table := p.src.table(t, "slices")
	p.copy(t, table, "")
	p.equal(t, table)
}

// TestCastIsNotCalled: a cast that the owner of a type made would run in our name.
func TestCastIsNotCalled(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 15)
	p.src.do(t, `CREATE TYPE trap AS (n int);
		CREATE FUNCTION spring(trap) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'sprung'; END $$;
		CREATE CAST (trap AS text) WITH FUNCTION spring(trap);
		CREATE TABLE traps (id trap PRIMARY KEY, again trap[]); INSERT INTO traps VALUES ('(1)', '{(2)}')`)
	src, _ := p.sides(p.src.table(t, "traps"))
	f, err := src.Fingerprint(t.Context(), nil)
	if err != nil || f.Total().Rows != 1 {
		t.Fatalf("%v, %v", f, err)
	}
	all := checksum.Sample(100, 0)
	if _, err := src.Rows(t.Context(), all, 1); err != nil {
		t.Fatal(err)
	}
}

// large makes a table that is worth several sessions, most of it TOAST where that is asked for.
func large(t *testing.T, d *database, toast bool) *chunker.Table {
	t.Helper()
	note, rows := "repeat(md5(i::text), 10)", 120000
	if toast {
		note, rows = "repeat(md5(i::text), 1000)", 1500
	}
	d.do(t, "CREATE TABLE large (id int PRIMARY KEY, note text); ALTER TABLE large ALTER note SET STORAGE EXTERNAL")
	d.do(t, fmt.Sprintf("INSERT INTO large SELECT i, %s FROM generate_series(1, %d) i", note, rows))
	return d.table(t, "large")
}

// TestSessions: any number of sessions sums up the same rows, of one snapshot, whoever writes meanwhile.
func TestSessions(t *testing.T) {
	for _, toast := range []bool{false, true} {
		t.Run(fmt.Sprintf("toast=%v", toast), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, 15, 15)
			table := large(t, p.src, toast)
			src, _ := p.sides(table)
			src.Jobs = 1
			want, err := src.Fingerprint(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			src.Jobs = 5
			sessions, connect := 0, src.Connect
			src.Connect = serial(func(ctx context.Context) (*pg.Conn, error) {
				if sessions++; sessions == 2 { // the first has the snapshot
					if err := p.src.conn.Exec(ctx, "UPDATE large SET id = -id, note = NULL WHERE id % 3 = 0; DELETE FROM large WHERE id % 3 = 1"); err != nil {
						return nil, err
					}
				}
				return connect(ctx)
			})
			got, err := src.Fingerprint(t.Context(), nil)
			if err != nil || !got.Equal(want) {
				t.Fatalf("5 sessions: %v, %v, want %v", got.Total(), err, want.Total())
			}
			if sessions < 3 {
				t.Fatalf("%d sessions read it", sessions)
			}
			now, err := src.Fingerprint(t.Context(), nil)
			if err != nil || now.Equal(want) {
				t.Fatalf("after the writes: %v", err)
			}
		})
	}
}

// serial lets one connect at a time.
func serial(connect func(context.Context) (*pg.Conn, error)) func(context.Context) (*pg.Conn, error) {
	var mu sync.Mutex
	return func(ctx context.Context) (*pg.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		return connect(ctx)
	}
}

// TestSnapshot: all passes read what an exported snapshot shows, and nothing when it is gone.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 15)
	p.both(t, "CREATE TABLE ward (id int PRIMARY KEY, label text); INSERT INTO ward SELECT i, 'x' FROM generate_series(1, 1000) i")
	table := p.src.table(t, "ward")
	p.tgt.do(t, "UPDATE ward SET label = 'y' WHERE id = 3")
	keeper, err := p.src.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.Close()
	k, err := chunker.Keep(t.Context(), keeper, table, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	p.src.do(t, "UPDATE ward SET label = 'z' WHERE id > 900")
	src, tgt := p.sides(table)
	src.Snapshot = k.Export
	a, err := src.Fingerprint(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tgt.Fingerprint(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := chunker.Narrow(t.Context(), src, tgt, nil, a, b, 1000)
	if err != nil || len(n.Differences) != 1 || n.Differences[0].Kind() != checksum.Changed {
		t.Fatalf("under the snapshot: %+v, %v", n, err)
	}
	rows, err := src.Locate(t.Context(), []checksum.KeyHash{n.Differences[0].Key})
	if err != nil || len(rows) != 1 || !slices.Equal(rows[0].Key, []string{"3"}) {
		t.Fatalf("located %v, %v", rows, err)
	}
	k.Release(t.Context())
	if _, err := src.Fingerprint(t.Context(), nil); !errors.Is(err, chunker.ErrSnapshot) {
		t.Fatalf("snapshot is gone: %v", err)
	}
}

// TestScanEnds: a scan that fails or is cancelled leaves no session behind, and says why.
func TestScanEnds(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 15)
	src, _ := p.sides(large(t, p.src, false))
	src.Jobs = 4
	_, err := src.Rows(t.Context(), nil, 1000)
	if !errors.Is(err, chunker.ErrTooMany) || pg.Lost(err) {
		t.Errorf("too many rows: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	opened := 0
	connect := src.Connect
	src.Connect = serial(func(ctx context.Context) (*pg.Conn, error) {
		if opened++; opened == 3 {
			cancel()
		}
		return connect(ctx)
	})
	if _, err := src.Fingerprint(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	src.Connect = connect
	p.src.do(t, "BEGIN; LOCK TABLE large")
	src.LockTimeout = 20 * time.Millisecond
	if _, err := src.Fingerprint(t.Context(), nil); !pg.Transient(err) {
		t.Errorf("locked: %v", err)
	}
	p.src.do(t, "ROLLBACK")
	p.src.alone(t)
}

// alone waits until every other session of the database has ended.
func (d *database) alone(t *testing.T) {
	t.Helper()
	const others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
	for d.value(t, others) != "0" {
		if err := pg.Pause(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal("sessions are left behind")
		}
	}
}

// TestSample: both sides sample the same rows, wherever they lie.
func TestSample(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 18)
	p.both(t, "CREATE TABLE ward (id int PRIMARY KEY, label text)")
	p.src.do(t, "INSERT INTO ward SELECT i, 'x' FROM generate_series(1, 5000) i")
	p.tgt.do(t, "INSERT INTO ward SELECT i, 'x' FROM generate_series(5000, 1, -1) i")
	src, tgt := p.sides(p.src.table(t, "ward"))
	var rows, found int64
	p.tgt.do(t, "UPDATE ward SET label = 'y' WHERE id = 77")
	for turn := range 20 {
		of := checksum.Sample(5, turn)
		a, err := src.Fingerprint(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		b, err := tgt.Fingerprint(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		rows += a.Total().Rows
		if a.Equal(b) {
			continue
		}
		n, err := chunker.Narrow(t.Context(), src, tgt, of, a, b, 1000)
		if err != nil {
			t.Fatal(err)
		}
		found += int64(len(n.Differences))
	}
	// 5 % are 205 buckets, so that the last turn begins with four of the first again.
	if rows < 5000 || rows > 5050 || found < 1 || found > 2 {
		t.Fatalf("20 turns saw %d of 5000 rows and %d differences", rows, found)
	}
}

// TestEveryBlockOnce: parts are ranges of blocks to the server as well, and no scans of the whole heap.
func TestEveryBlockOnce(t *testing.T) {
	t.Parallel()
	for _, version := range []int{15, 18} {
		p := newPair(t, version, version)
		src, _ := p.sides(large(t, p.src, false))
		src.Jobs = 4
		const read = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'large'"
		p.src.do(t, "VACUUM ANALYZE large")
		p.src.do(t, "SELECT pg_stat_reset()")
		if _, err := src.Fingerprint(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		// A session reports what it read when it ends.
		p.src.alone(t)
		if got := p.src.value(t, read); got != "120000" {
			t.Errorf("PostgreSQL %d read %s rows to give 120000", version, got)
		}
	}
}
