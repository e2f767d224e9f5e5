package checkpoint

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/atrest"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/wal"
)

// everyForm runs a test for stores without a key and with one.
func everyForm(t *testing.T, test func(t *testing.T, k *atrest.Key)) {
	t.Run("clear", func(t *testing.T) { test(t, nil) })
	t.Run("key", func(t *testing.T) { test(t, atrest.New(secret)) })
}

// secret is a key whose digits are easily found, should they be on disk.
var secret = [atrest.Size]byte([]byte("CANARY: thirty-two secret bytes."))

func open(t *testing.T, fs vfs.FS, k *atrest.Key) *Store {
	t.Helper()
	s, err := Open("state", Options{FS: fs, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func somePlan(n int) ([]chunker.Table, [][]chunker.Chunk) {
	tables, chunks := make([]chunker.Table, n), make([][]chunker.Chunk, n)
	for i := range tables {
		tables[i] = chunker.Table{Ordinal: i, Schema: "s", Name: fmt.Sprint("t", i), Columns: []chunker.Column{{Name: "id", OID: 20}}, Key: []string{"id"}, Identity: chunker.IdentityKey}
		chunks[i] = []chunker.Chunk{{Table: i, Kind: chunker.Whole}}
	}
	return tables, chunks
}

func TestPlanComesBack(t *testing.T) { everyForm(t, planComesBack) }

func planComesBack(t *testing.T, k *atrest.Key) {
	fs := vfs.NewMem()
	s := open(t, fs, k)
	if tables, _, err := s.LoadPlan(); err != nil || tables != nil {
		t.Fatalf("an empty store has a plan: %v, %v", tables, err)
	}
	tables, chunks := somePlan(300)
	if err := s.SavePlan(tables, chunks); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, fs, k)
	defer s.Close()
	gotTables, gotChunks, err := s.LoadPlan()
	if err != nil || !reflect.DeepEqual(gotTables, tables) || !reflect.DeepEqual(gotChunks, chunks) {
		t.Errorf("plan came back changed: %v", err)
	}
}

func TestReceipts(t *testing.T) { everyForm(t, receipts) }

func receipts(t *testing.T, k *atrest.Key) {
	s := open(t, vfs.NewMem(), k)
	defer s.Close()
	put := func(table, chunk int) chunker.Receipt {
		r := chunker.Receipt{Table: table, Chunk: chunk, Rows: 1, Snapshot: wal.Snapshot{Xmin: 1, Xmax: 2}}
		if err := s.PutReceipt(r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	list := func() (got []string) {
		if err := s.Receipts(func(r chunker.Receipt) error { got = append(got, fmt.Sprintf("%d/%d", r.Table, r.Chunk)); return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	put(1, 300)
	put(1, 2)
	put(256, 0)
	keep := put(2, 0)
	if err := s.DeleteReceipts(1); err != nil {
		t.Fatal(err)
	}
	if got := list(); !reflect.DeepEqual(got, []string{"2/0", "256/0"}) {
		t.Errorf("after the deletion: %v", got)
	}
	if err := s.ReplaceReceipts([]chunker.Receipt{keep, {Table: 3, Chunk: 1, Snapshot: keep.Snapshot}}); err != nil {
		t.Fatal(err)
	}
	if got := list(); !reflect.DeepEqual(got, []string{"2/0", "3/1"}) {
		t.Errorf("after the replacement: %v", got)
	}
}

// TestCrashLosesNothing crashes the file system after random writes: what was put is there.
func TestCrashLosesNothing(t *testing.T) { everyForm(t, crashLosesNothing) }

func crashLosesNothing(t *testing.T, k *atrest.Key) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		fs := vfs.NewCrashableMem()
		s := open(t, fs, k)
		last := 0
		for i := range 1 + r.IntN(200) {
			if err := s.Put("n", i); err != nil {
				t.Fatal(err)
			}
			last = i
		}
		crashed := open(t, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: r}), k)
		var got int
		if found, err := crashed.Get("n", &got); err != nil || !found || got != last {
			t.Errorf("after the crash n is %d (%v, %v), want %d", got, found, err, last)
		}
		crashed.Close()
		s.Close()
	}
}

func TestSecondOpenerIsFenced(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) || fault.CodeOf(err) != fault.Fenced {
		t.Errorf("second opener: %v", err)
	}
}

func TestNoStoreToRead(t *testing.T) {
	if _, err := Open(t.TempDir()+"/none", Options{ReadOnly: true}); fault.CodeOf(err) != fault.Usage {
		t.Errorf("reading where there is none: %v", err)
	}
}

// TestAnew: the plan, receipts and names go at once, but for those that are kept.
func TestAnew(t *testing.T) { everyForm(t, anew) }

func anew(t *testing.T, k *atrest.Key) {
	fs := vfs.NewMem()
	s := open(t, fs, k)
	tables, chunks := somePlan(3)
	for _, err := range []error{
		s.SavePlan(tables, chunks), s.PutReceipt(chunker.Receipt{Table: 1}), s.Put("job", "kept"), s.Put("slot", "gone"), s.Put("phase", "gone"),
		s.Anew("reuse", "new", "job"), s.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, fs, k)
	defer s.Close()
	if left, _, err := s.LoadPlan(); left != nil || err != nil {
		t.Errorf("the plan is left: %v, %v", left, err)
	}
	if err := s.Receipts(func(r chunker.Receipt) error { t.Errorf("receipt %v is left", r); return nil }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"job": "kept", "reuse": "new", "slot": "", "phase": ""} {
		var v string
		if found, err := s.Get(name, &v); err != nil || v != want || found != (want != "") {
			t.Errorf("%s is %q, %t, %v", name, v, found, err)
		}
	}
}
