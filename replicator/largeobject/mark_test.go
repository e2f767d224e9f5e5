package largeobject_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"replicator/replicator/fault"
	"replicator/replicator/largeobject"
	"replicator/replicator/pg"
)

// TestMarkShowsEveryChange has several sessions write at random, with transactions that are open while a
// mark is made, that commit and that roll back; where the mark says that nothing has changed, nothing
// may have.
func TestMarkShowsEveryChange(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(seedOf(t), 5))
	dsn := database(t, 15)
	look := connect(t, dsn)
	writers := []*pg.Conn{connect(t, dsn), connect(t, dsn), connect(t, dsn)}
	open := make([]bool, len(writers))
	execute(t, look, "SELECT lo_from_bytea(i, decode(repeat('ab', 5000), 'hex')) FROM generate_series(1, 30) i")
	before := read(t, look, largeobject.Ask{Range: largeobject.All})
	same, changed := 0, 0
	for range 1500 {
		i := r.IntN(len(writers))
		step(t, r, writers[i], i, &open[i])
		if r.IntN(3) > 0 {
			continue
		}
		now := read(t, look, largeobject.Ask{Range: largeobject.All, Since: &before.Mark})
		full := read(t, look, largeobject.Ask{Range: largeobject.All})
		equal := slices.EqualFunc(before.Objects, full.Objects, func(a, b largeobject.Object) bool {
			return a.OID == b.OID && a.Digest == b.Digest && a.Size == b.Size
		})
		if now.Same && !equal {
			t.Fatal("the mark says that nothing has changed, and something has")
		}
		if now.Same {
			same++
		} else {
			before = full
			changed++
		}
	}
	if same < 50 || changed < 50 {
		t.Errorf("the test tests little: %d times the same, %d times changed", same, changed)
	}
}

// step is one statement of a writer. Objects belong to one writer each, so that none waits for another.
func step(t *testing.T, r *rand.Rand, conn *pg.Conn, i int, open *bool) {
	t.Helper()
	oid := 3*r.IntN(10) + i + 1
	switch {
	case !*open && r.IntN(2) == 0:
		return // idle
	case !*open:
		execute(t, conn, "BEGIN")
		*open = true
	case r.IntN(3) == 0:
		execute(t, conn, []string{"COMMIT", "ROLLBACK"}[r.IntN(2)])
		*open = false
	case r.IntN(4) == 0:
		execute(t, conn, fmt.Sprintf("SAVEPOINT a; SELECT lo_put(oid, %d, 'a') FROM pg_largeobject_metadata WHERE oid = %d; %s",
			r.IntN(5000), oid, []string{"RELEASE a", "ROLLBACK TO a"}[r.IntN(2)]))
	case r.IntN(3) == 0:
		execute(t, conn, fmt.Sprintf("SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = %d", oid))
	case r.IntN(2) == 0:
		execute(t, conn, fmt.Sprintf("SELECT lo_from_bytea(o, decode(repeat('%02x', %d), 'hex')) FROM (VALUES (%d)) AS v(o) WHERE o NOT IN (SELECT oid::int FROM pg_largeobject_metadata)", r.IntN(256), r.IntN(9000), oid))
	default:
		execute(t, conn, fmt.Sprintf("SELECT lo_put(oid, %d, 'b') FROM pg_largeobject_metadata WHERE oid = %d", r.IntN(9000), oid))
	}
}

// TestMarkOfAnotherServer wants a mark void on a server that was started since, or set back. Not beside
// others: what they have under way on the server may be older than the objects, and void it.
func TestMarkOfAnotherServer(t *testing.T) {
	conn := connect(t, database(t, 15))
	execute(t, conn, "SELECT lo_from_bytea(1, 'a')")
	mark := read(t, conn, largeobject.Ask{Range: largeobject.All}).Mark
	for name, void := range map[string]func(*largeobject.Mark){
		"started":    func(m *largeobject.Mark) { m.Started = "2000-01-01" },
		"the future": func(m *largeobject.Mark) { m.Xmin += 1000 },
		"long ago":   func(m *largeobject.Mark) { m.Xmin = 0 },
		"pages":      func(m *largeobject.Mark) { m.Pages++ },
	} {
		m := mark
		void(&m)
		if a := read(t, conn, largeobject.Ask{Range: largeobject.All, Since: &m}); a.Same || a.Objects[0].Digest == "" {
			t.Errorf("%s: the mark counts", name)
		}
	}
	if a := read(t, conn, largeobject.Ask{Range: largeobject.All, Since: &mark}); !a.Same {
		t.Error("the mark does not count")
	}
}

// seedOf is the seed of a randomised test, printed so that it can be replayed with REPLICATOR_SEED.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("REPLICATOR_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = v
	}
	t.Logf("REPLICATOR_SEED=%d", seed)
	return seed
}

// TestUnreadable wants a role that may not read the pages told so, with what is to be done.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	dsn := database(t, 15)
	execute(t, connect(t, dsn), "SELECT lo_from_bytea(1, 'a')")
	conn := connect(t, dsn)
	execute(t, conn, "SET SESSION AUTHORIZATION ward")
	_, err := largeobject.Read(t.Context(), conn, largeobject.Ask{Range: largeobject.All})
	if fault.CodeOf(err) != fault.Preflight || fault.HintOf(err) == "" {
		t.Errorf("read: %v", err)
	}
	if _, err = largeobject.Pages(t.Context(), conn, []uint32{1}, io.Discard); fault.CodeOf(err) != fault.Preflight {
		t.Errorf("copy: %v", err)
	}
}
