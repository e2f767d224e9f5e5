package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/atrest"
	"replicator/chunker"
	"replicator/replicator/fault"
)

// other is a key that begins like secret.
func other() *atrest.Key {
	s := secret
	s[31]++
	return atrest.New(s)
}

// TestKeyRefused: a store opens with the key it was begun with, to be read as to be written, and what
// was refused has changed nothing.
func TestKeyRefused(t *testing.T) {
	for name, c := range map[string]struct {
		begun, given *atrest.Key
		says         string
	}{
		"key for a clear store":   {nil, atrest.New(secret), "without a key file"},
		"no key for a sealed one": {atrest.New(secret), nil, "with a key file"},
		"another key":             {atrest.New(secret), other(), "another key file"},
	} {
		fs := vfs.NewMem()
		s := open(t, fs, c.begun)
		check(t, s.Put("n", "value"))
		check(t, s.Close())
		for _, readOnly := range []bool{false, true} {
			_, err := Open("state", Options{FS: fs, Key: c.given, ReadOnly: readOnly})
			if fault.CodeOf(err) != fault.Usage || fault.HintOf(err) == "" {
				t.Fatalf("%s: exit code %d: %v", name, fault.CodeOf(err), err)
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: says %q", name, err)
			}
		}
		s = open(t, fs, c.begun)
		var v string
		if found, err := s.Get("n", &v); err != nil || !found || v != "value" {
			t.Errorf("%s: afterwards the value is %q (%v, %v)", name, v, found, err)
		}
		check(t, s.Close())
	}
}

// TestKeyOfNothing: a store that nothing was written to may be opened with any key.
func TestKeyOfNothing(t *testing.T) {
	fs := vfs.NewMem()
	for _, k := range []*atrest.Key{nil, atrest.New(secret), other(), nil, other()} {
		check(t, open(t, fs, k).Close())
	}
	s := open(t, fs, other())
	check(t, s.Put("n", 1))
	check(t, s.Close())
	if _, err := Open("state", Options{FS: fs}); fault.CodeOf(err) != fault.Usage {
		t.Errorf("without the key of the first write: %v", err)
	}
}

// TestReadOnly reads a sealed store as `status` does.
func TestReadOnly(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs, atrest.New(secret))
	tables, chunks := somePlan(3)
	check(t, s.SavePlan(tables, chunks))
	check(t, s.Close())
	s, err := Open("state", Options{FS: fs, Key: atrest.New(secret), ReadOnly: true})
	check(t, err)
	if got, _, err := s.LoadPlan(); err != nil || len(got) != 3 {
		t.Errorf("plan of %d tables: %v", len(got), err)
	}
	check(t, s.Close())
}

// TestNothingReadable: with a key no file of the store holds a value; without one they are found.
func TestNothingReadable(t *testing.T) {
	everyForm(t, func(t *testing.T, k *atrest.Key) {
		fs := vfs.NewMem()
		s := open(t, fs, k)
		tables, chunks := somePlan(200)
		for i := range tables {
			tables[i].Name = fmt.Sprint("table CANARY ", i)
		}
		check(t, s.SavePlan(tables, chunks))
		check(t, s.Put("n", "named CANARY"))
		check(t, s.db.Flush())
		check(t, s.Put("m", "named CANARY"))
		check(t, s.PutReceipt(chunker.Receipt{Table: 1}))
		check(t, s.Close())
		names, err := fs.List("state")
		check(t, err)
		found := map[string]bool{}
		for _, n := range names {
			b := contents(t, fs, "state/"+n)
			for _, what := range []string{"table CANARY", "named CANARY", `"schema"`, string(secret[:8])} {
				if bytes.Contains(b, []byte(what)) {
					found[what] = true
					t.Logf("%s is in %s", what, n)
				}
			}
		}
		if k != nil && len(found) > 0 {
			t.Errorf("readable: %v", found)
		}
		if k == nil && !found["named CANARY"] {
			t.Error("the search finds nothing in the clear")
		}
	})
}

// TestValueFromElsewhere: a value opens only under its key, and only in its store.
func TestValueFromElsewhere(t *testing.T) {
	k := atrest.New(secret)
	s, strange := open(t, vfs.NewMem(), k), open(t, vfs.NewMem(), k)
	for _, s := range []*Store{s, strange} {
		check(t, s.Put("n", "value"))
		check(t, s.Put("m", "other"))
	}
	raw := func(s *Store, name string) []byte {
		v, closer, err := s.db.Get(nameKey(name))
		check(t, err)
		defer closer.Close()
		return slices.Clone(v)
	}
	for what, b := range map[string][]byte{
		"another name": raw(s, "m"), "another store": raw(strange, "n"), "in the clear": []byte(`"value"`), "nothing": {},
	} {
		check(t, s.db.Set(nameKey("n"), b, pebble.Sync))
		var v string
		if _, err := s.Get("n", &v); fault.CodeOf(err) != fault.Store || !errors.Is(err, atrest.ErrAuth) {
			t.Errorf("value of %s is %q: %v", what, v, err)
		}
	}
	check(t, errors.Join(s.Close(), strange.Close()))
}

// TestFormats that this version does not know are refused, and a key's file is asked for by none.
func TestFormats(t *testing.T) {
	for _, format := range [][]byte{{}, {0}, {3}, {1, 1}, {2}, make([]byte, sealedSize)} {
		for _, k := range []*atrest.Key{nil, atrest.New(secret)} {
			if _, err := boxOf(format, k); fault.CodeOf(err) != fault.Store || fault.HintOf(err) == "" {
				t.Errorf("format %v: exit code %d: %v", format, fault.CodeOf(err), err)
			}
		}
	}
}

// TestEachStoreHasItsSalt: two stores of one key file have different keys.
func TestEachStoreHasItsSalt(t *testing.T) {
	k := atrest.New(secret)
	a, b := newFormat(k), newFormat(k)
	if bytes.Equal(a[1:1+saltSize], b[1:1+saltSize]) || bytes.Equal(a[1+saltSize:], b[1+saltSize:]) {
		t.Error("two stores have the same salt")
	}
}

// FuzzFormat: whatever stands there, a box is given only to who has the key.
func FuzzFormat(f *testing.F) {
	k := atrest.New(secret)
	f.Add(newFormat(nil))
	f.Add(newFormat(k))
	f.Fuzz(func(t *testing.T, format []byte) {
		if box, err := boxOf(format, other()); err == nil {
			t.Fatalf("another key gets %v", box)
		}
		if box, err := boxOf(format, k); err == nil && box == nil {
			t.Fatalf("a key for the clear store %x", format)
		}
		if box, err := boxOf(format, nil); err == nil && (box != nil || !bytes.Equal(format, []byte{formatClear})) {
			t.Fatalf("no key for %x", format)
		}
	})
}
