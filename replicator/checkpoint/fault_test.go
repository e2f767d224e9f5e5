package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"replicator/checksum/atrest"
	"replicator/chunker"
	"replicator/replicator/fault"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlanIsWholeOrAbsent crashes the file system while a plan is being saved, at any write.
func TestPlanIsWholeOrAbsent(t *testing.T) { everyForm(t, planIsWholeOrAbsent) }

func planIsWholeOrAbsent(t *testing.T, k *atrest.Key) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	tables, chunks := somePlan(7_000) // several batches
	absent, whole := 0, 0
	for range 12 {
		mem := vfs.NewCrashableMem()
		var writes atomic.Int64
		var crashed atomic.Pointer[vfs.MemFS]
		at := 1 + r.Int64N(100)
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileWrite && writes.Add(1) == at {
				crashed.Store(mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: r}))
			}
			return nil
		}))
		s := open(t, fs, k)
		writes.Store(0)
		crashed.Store(nil)
		check(t, s.SavePlan(tables, chunks))
		check(t, s.Close())
		after := crashed.Load()
		if after == nil {
			after = mem.CrashClone(vfs.CrashCloneCfg{})
		}
		s = open(t, after, k)
		got, gotChunks, err := s.LoadPlan()
		check(t, err)
		switch {
		case got == nil:
			absent++
		case reflect.DeepEqual(got, tables) && reflect.DeepEqual(gotChunks, chunks):
			whole++
		default:
			t.Fatalf("crash at write %d leaves %d tables", at, len(got))
		}
		check(t, s.SavePlan(tables[:2], chunks[:2])) // a shorter one than what may be left over
		if got, _, err := s.LoadPlan(); err != nil || len(got) != 2 {
			t.Fatalf("plan saved again has %d tables: %v", len(got), err)
		}
		check(t, s.Close())
	}
	t.Logf("%d absent, %d whole", absent, whole)
	if absent == 0 {
		t.Error("no crash came before the plan was there")
	}
}

// TestLargePlan: saving 100,000 tables takes little memory beside the plan itself.
func TestLargePlan(t *testing.T) { everyForm(t, largePlan) }

func largePlan(t *testing.T, k *atrest.Key) {
	s, err := Open(t.TempDir(), Options{Key: k})
	check(t, err)
	tables, chunks := somePlan(100_000)
	for i := range tables {
		for c := range 2 {
			tables[i].Columns = append(tables[i].Columns, chunker.Column{Name: fmt.Sprint("column_", c), Type: "timestamp with time zone"})
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	check(t, s.SavePlan(tables, chunks))
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 100<<20 {
		t.Errorf("saving took %d MB", grown>>20)
	}
	got, _, err := s.LoadPlan()
	check(t, err)
	if len(got) != len(tables) || !reflect.DeepEqual(got[99_999], tables[99_999]) {
		t.Error("plan came back changed")
	}
	check(t, s.Close())
}

// TestEveryFileDamaged flips a bit in every 40 bytes of every file of a closed store, one at a
// time. What is read is then what was written, or there is an error of class Store.
func TestEveryFileDamaged(t *testing.T) { everyForm(t, everyFileDamaged) }

func everyFileDamaged(t *testing.T, k *atrest.Key) {
	mem := vfs.NewMem()
	s := open(t, mem, k)
	tables, chunks := somePlan(40)
	check(t, s.SavePlan(tables, chunks))
	check(t, s.db.Flush())
	for i := range 30 {
		check(t, s.Put(fmt.Sprint("name ", i), strings.Repeat("v", i)))
		check(t, s.PutReceipt(chunker.Receipt{Table: i}))
	}
	check(t, s.Close())
	names, err := mem.List("state")
	check(t, err)
	slices.Sort(names)
	seen, unseen := 0, 0
	for _, name := range names {
		whole := contents(t, mem, "state/"+name)
		for at := 0; at < len(whole); at += 40 {
			fs := clone(t, mem, names)
			b := slices.Clone(whole)
			b[at] ^= 1 << (at / 40 % 8)
			put(t, fs, "state/"+name, b)
			if damaged(t, fmt.Sprintf("%s at %d", name, at), fs, k, tables) {
				seen++
			} else {
				unseen++
			}
		}
	}
	t.Logf("%d flips seen, %d harmless", seen, unseen)
	if seen == 0 {
		t.Error("no flip was seen")
	}
}

// damaged reads everything and reports whether that gave an error. Wrong answers fail the test.
func damaged(t *testing.T, what string, fs vfs.FS, k *atrest.Key, tables []chunker.Table) bool {
	t.Helper()
	s, err := Open("state", Options{FS: fs, Key: k, Exit: func(code int) { panic(fmt.Sprint("exit ", code)) }})
	if err != nil {
		if fault.CodeOf(err) != fault.Store || fault.HintOf(err) == "" {
			t.Fatalf("%s: exit code %d: %v", what, fault.CodeOf(err), err)
		}
		return true
	}
	defer func() { _ = s.Close() }()
	got, _, err := s.LoadPlan()
	if err == nil && !reflect.DeepEqual(got, tables) {
		t.Fatalf("%s: plan of %d tables, no error", what, len(got))
	}
	for i := 0; err == nil && i < 30; i++ {
		var v string
		var found bool
		if found, err = s.Get(fmt.Sprint("name ", i), &v); err == nil && (!found || v != strings.Repeat("v", i)) {
			t.Fatalf("%s: value %d: found %v, no error", what, i, found)
		}
	}
	if err != nil && fault.CodeOf(err) != fault.Store {
		t.Fatalf("%s: exit code %d: %v", what, fault.CodeOf(err), err)
	}
	return err != nil
}

func contents(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	check(t, err)
	b, err := io.ReadAll(f)
	check(t, errors.Join(err, f.Close()))
	return b
}

func put(t *testing.T, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	check(t, err)
	_, err = f.Write(slices.Clone(b))
	check(t, errors.Join(err, f.Close()))
}

func clone(t *testing.T, from vfs.FS, names []string) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	check(t, fs.MkdirAll("state", 0o700))
	for _, n := range names {
		put(t, fs, "state/"+n, contents(t, from, "state/"+n))
	}
	return fs
}

// TestDiskFails: a write that cannot be made durable ends the process with exit code 8.
func TestDiskFails(t *testing.T) {
	mem := vfs.NewMem()
	var failing atomic.Bool
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileWrite) {
			return syscall.ENOSPC
		}
		return nil
	}))
	exit := make(chan int, 1)
	s, err := Open("state", Options{FS: fs, Exit: func(code int) {
		select {
		case exit <- code:
		default:
		}
		runtime.Goexit()
	}})
	check(t, err)
	check(t, s.Put("n", 1))
	failing.Store(true)
	go func() {
		if err := s.Put("n", 2); err == nil {
			exit <- 0
		}
	}()
	if code := <-exit; code != int(fault.Store) {
		t.Errorf("exit code %d", code)
	}
}

// TestOtherProcessIsFenced: the lock holds between processes too.
func TestOtherProcessIsFenced(t *testing.T) {
	const variable = "CHECKPOINT_TEST_DIR"
	if dir := os.Getenv(variable); dir != "" {
		_, err := Open(dir, Options{})
		fmt.Printf("code %d locked %v\n", fault.CodeOf(err), errors.Is(err, ErrLocked))
		return
	}
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	check(t, err)
	defer func() { check(t, s.Close()) }()
	cmd := exec.Command(os.Args[0], "-test.run=^TestOtherProcessIsFenced$")
	cmd.Env = append(os.Environ(), variable+"="+dir)
	out, err := cmd.CombinedOutput()
	check(t, err)
	if want := fmt.Sprintf("code %d locked true", fault.Fenced); !strings.Contains(string(out), want) {
		t.Errorf("the other process says %q, want %q", out, want)
	}
}
