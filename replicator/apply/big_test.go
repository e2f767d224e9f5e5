package apply

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"replicator/replicator/fault"
	"replicator/wal"
	"replicator/wal/changelog"
)

// TestConflictInAPiece has a unique value move between rows inside one piece of a large
// transaction: that piece is replayed, the others are not.
func TestConflictInAPiece(t *testing.T) {
	p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, u int UNIQUE, n int)")
	p.both("INSERT INTO a SELECT g, g FROM generate_series(1, 500) g")
	p.cfg.Limits.Changes = 100
	p.source(`BEGIN; UPDATE a SET n = 1;
		UPDATE a SET u = 0 WHERE k = 1; UPDATE a SET u = 1 WHERE k = 2; UPDATE a SET u = 2 WHERE k = 1;
		UPDATE a SET n = 2; INSERT INTO a SELECT g, g FROM generate_series(501, 700) g; COMMIT`)
	res := p.apply()
	p.same()
	if res.Transactions != 1 || res.Changes != 1203 || p.replays() != 1 {
		t.Errorf("%d replays, %+v\n%s", p.replays(), res, p.log.String())
	}
}

// TestMismatchInAPiece leaves nothing of the large transaction behind.
func TestMismatchInAPiece(t *testing.T) {
	p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, n int)")
	p.on(p.dst, "INSERT INTO a VALUES (950, 0)")
	p.cfg.Limits.Changes = 100
	p.source("INSERT INTO a VALUES (0, 0)", "INSERT INTO a SELECT g, g FROM generate_series(1, 1000) g")
	_, err := p.try(p.pull(true))
	if fault.CodeOf(err) != fault.Mismatch || !strings.Contains(err.Error(), "a_pkey") || !strings.Contains(err.Error(), "committed at ") {
		t.Fatalf("have %v", err)
	}
	if n := query(t, p.dst, "SELECT count(*) FROM a")[0][0]; n != "2" {
		t.Errorf("%s rows", n)
	}
}

// endless gives one transaction that repeats frames of inserts, and watches the heap.
type endless struct {
	begin, rows, commit []byte
	left                int
	most                uint64
}

func (e *endless) Next(context.Context) ([]byte, error) {
	if b := e.begin; b != nil {
		e.begin = nil
		return b, nil
	}
	if e.left > 0 {
		e.left--
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		e.most = max(e.most, m.HeapInuse)
		return e.rows, nil
	}
	if c := e.commit; c != nil {
		e.commit = nil
		return c, nil
	}
	return nil, io.EOF
}

// TestMemoryIsBounded applies a transaction of 400,000 rows, and one of 40,000 rows of 8 KB. The
// table has no key, so the same frame serves again and again.
func TestMemoryIsBounded(t *testing.T) {
	for _, tt := range []struct{ bytes, rows, frames int }{{100, 4000, 100}, {8000, 100, 400}} {
		t.Run(fmt.Sprint(tt.bytes), func(t *testing.T) {
			p := newPair(t, "CREATE TABLE f (k int, v text); ALTER TABLE f ALTER v SET STORAGE PLAIN; ALTER TABLE f REPLICA IDENTITY FULL")
			p.source(fmt.Sprintf("INSERT INTO f SELECT g, repeat('x', %d) FROM generate_series(1, %d) g", tt.bytes, tt.rows))
			recs := p.pull(true)
			n := len(recs)
			e := &endless{begin: seal(recs[:2]), rows: seal(recs[2 : n-1]), commit: seal(recs[n-1:]), left: tt.frames}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			res, err := Run(t.Context(), p.cfg, e)
			if err != nil || res.Changes != int64(tt.rows*tt.frames) {
				t.Fatal(err, res)
			}
			if used := int64(e.most) - int64(m.HeapInuse); used > 120<<20 {
				t.Errorf("%d MB of heap", used>>20)
			} else {
				t.Logf("%d MB of heap", used>>20)
			}
			if have := query(t, p.dst, "SELECT count(*) FROM f")[0][0]; have != fmt.Sprint(tt.rows*tt.frames) {
				t.Errorf("%s rows", have)
			}
		})
	}
}

// halting gives frames, and is quiet for longer than a mark waits before the one that it halts at.
type halting struct {
	frames
	at    int
	quiet func()
}

func (h *halting) Next(ctx context.Context) ([]byte, error) {
	if h.at--; h.at == 0 {
		if err := sleep(ctx, 2*(markEvery+10*linger)); err != nil { // sleep waits half of it at least
			return nil, err
		}
		h.quiet()
	}
	return h.frames.Next(ctx)
}

// TestQuietInsideBigTransaction: a mark that waits to be stored must not be committed together with
// the first pieces of a large transaction, however long its rest takes to come.
func TestQuietInsideBigTransaction(t *testing.T) {
	p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, n int)")
	p.cfg.Limits.Changes = 10
	p.source("INSERT INTO a SELECT g, g FROM generate_series(1, 100) g")
	recs := p.pull(true)
	first := p.position()
	mark := func(by wal.LSN) []byte { return seal([]record{{lsn: first + by, kind: changelog.Mark}}) }
	src := &halting{frames: frames{sealed: [][]byte{mark(1), mark(2), seal(recs[:50]), seal(recs[50:])}}, at: 4}
	src.quiet = func() {
		if n := query(t, p.dst, "SELECT count(*) FROM a")[0][0]; n != "0" {
			t.Errorf("%s rows of a transaction that has not ended are committed", n)
		}
	}
	if _, err := Run(t.Context(), p.cfg, src); err != nil {
		t.Fatal(err)
	}
	p.same()
}
