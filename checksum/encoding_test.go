package checksum

import (
	"bytes"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// goldenFingerprint is of a selection, with a secret, rows taken out among them.
func goldenFingerprint() *Fingerprint {
	s := Secret{7}
	f, h := NewFingerprint(s, Sample(5, 0)), NewRowHasher(s)
	for i := range 5 {
		f.Add(h.Keyless(fmt.Appendf(nil, "row %d", i)), 100*i)
	}
	f.Remove(h.Keyless([]byte("never there")), 1<<40)
	return f
}

func goldenRows() *Rows {
	s := Secret{7}
	r, h := NewRows(s), NewRowHasher(s)
	r.Add(h.Keyless([]byte("row 1")), RowHash{h.Key([]byte("key")), h.Row([]byte("row 2"))})
	return r
}

// TestGolden holds the encoding, and with it what is hashed and how: fingerprints of the store are
// compared with new ones. A change of either needs a new version.
func TestGolden(t *testing.T) {
	for name, c := range map[string]struct{ now, back encoded }{
		"fingerprint_v1": {goldenFingerprint(), new(Fingerprint)}, "rows_v1": {goldenRows(), new(Rows)},
	} {
		text, err := os.ReadFile("testdata/" + name + ".hex")
		if err != nil {
			t.Fatal(err)
		}
		golden, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := marshal(t, c.now); !bytes.Equal(got, golden) {
			t.Errorf("%s is now\n%x", name, got)
		}
		if err := c.back.UnmarshalBinary(golden); err != nil || !bytes.Equal(marshal(t, c.back), golden) {
			t.Errorf("%s: the golden bytes are something else: %v", name, err)
		}
	}
}

type encoded interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

func marshal(t testing.TB, e encoded) []byte {
	t.Helper()
	b, err := e.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEncodingTravels(t *testing.T) {
	rng := seeded(t)
	for name, s := range secrets {
		for _, n := range []int{0, 1, 3, 5000} {
			rows := randomTuples(rng, n)
			f, back := fingerprintOf(t, s, nil, rows...), new(Fingerprint)
			if err := back.UnmarshalBinary(marshal(t, f)); err != nil || !back.Equal(f) {
				t.Errorf("%s: fingerprint of %d rows does not come back: %v", name, n, err)
			}
			list, listBack := rowsOf(t, s, nil, rows...), new(Rows)
			if err := listBack.UnmarshalBinary(marshal(t, list)); err != nil {
				t.Fatal(err)
			}
			if d, err := Compare(list, listBack); err != nil || len(d) > 0 {
				t.Errorf("%s: list of %d rows does not come back: %v", name, n, err)
			}
		}
	}
	full := len(marshal(t, fingerprintOf(t, Secret{}, nil, randomTuples(rng, 60000)...)))
	if full > 37*BucketCount {
		t.Errorf("a full fingerprint has %d bytes", full)
	}
}

// TestDamageIsSeen: no bit of an encoding may change, and none of it be missing.
func TestDamageIsSeen(t *testing.T) {
	for _, c := range []struct{ good, back encoded }{{goldenFingerprint(), goldenFingerprint()}, {goldenRows(), goldenRows()}} {
		b := marshal(t, c.good)
		try := func(what string, b []byte) {
			if err := c.back.UnmarshalBinary(b); !errors.Is(err, ErrEncoding) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for at := range len(b) * 8 {
			b[at/8] ^= 1 << (at % 8)
			try(fmt.Sprintf("bit %d", at), b)
			b[at/8] ^= 1 << (at % 8)
		}
		for n := range b {
			try(fmt.Sprintf("cut to %d", n), b[:n])
		}
		if !bytes.Equal(marshal(t, c.back), b) {
			t.Error("what failed to decode has changed what was there")
		}
	}
	if err := new(Rows).UnmarshalBinary(marshal(t, goldenFingerprint())); !errors.Is(err, ErrEncoding) {
		t.Errorf("a fingerprint as rows: %v", err)
	}
}

func TestKeyHashText(t *testing.T) {
	k := NewRowHasher(Secret{}).Key([]byte("key"))
	var back KeyHash
	if err := back.UnmarshalText([]byte(k.String())); err != nil || back != k {
		t.Fatalf("%s comes back as %s: %v", k, back, err)
	}
	for _, bad := range []string{"", "12", strings.Repeat("x", 32), k.String() + "00", k.String()[1:]} {
		if err := back.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a key hash", bad)
		}
	}
}

// TestKeyImage: the key is found wherever the row ends, and is the same whatever follows.
func TestKeyImage(t *testing.T) {
	for _, rest := range [][][]byte{nil, {nil}, {[]byte("x"), {}}} {
		row := tuple(append([][]byte{[]byte("ab"), nil, {}}, rest...)...)
		want := []byte("\x00\x00\x00\x02ab\xff\xff\xff\xff\x00\x00\x00\x00")
		if got, ok := KeyImage(row, 3, false); !ok || !bytes.Equal(got, want) {
			t.Errorf("binary, %d columns more: %x", len(rest), got)
		}
		for n := range row {
			if _, ok := KeyImage(row[:n], 3, false); ok && n < 2+len(want) {
				t.Errorf("a row cut to %d bytes has its key", n)
			}
		}
	}
	for line, want := range map[string]string{"ab\t\\N": "ab\t\\N", "ab\t\\N\tc": "ab\t\\N", "ab\t": "ab\t"} {
		if got, ok := KeyImage([]byte(line), 2, true); !ok || string(got) != want {
			t.Errorf("text %q: %q", line, got)
		}
	}
	if _, ok := KeyImage([]byte("ab"), 2, true); ok {
		t.Error("a line of one column has two")
	}
}

func FuzzFingerprint(f *testing.F) {
	f.Add(marshal(f, goldenFingerprint()))
	f.Add(marshal(f, NewFingerprint(Secret{}, nil)))
	f.Add(marshal(f, goldenRows()))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = appendCheck(bytes.Clone(b[:max(0, len(b)-encodingCheck)]), 0)
		for _, back := range []encoded{new(Fingerprint), new(Rows)} {
			if back.UnmarshalBinary(b) != nil {
				continue
			}
			again := new(Fingerprint)
			if first, ok := back.(*Fingerprint); ok {
				if err := again.UnmarshalBinary(marshal(t, first)); err != nil || !again.Equal(first) {
					t.Fatalf("comes back as another: %v", err)
				}
			} else if !bytes.Equal(marshal(t, back), b) {
				t.Fatal("rows come back as others")
			}
		}
	})
}

// FuzzKeyImage: whatever a row holds, its key is a part of it.
func FuzzKeyImage(f *testing.F) {
	f.Add(tuple([]byte("a"), nil), uint8(2), false)
	f.Add([]byte("a\tb"), uint8(1), true)
	f.Fuzz(func(t *testing.T, row []byte, n uint8, text bool) {
		if key, ok := KeyImage(row, int(n), text); ok && !bytes.Contains(row, key) {
			t.Fatalf("key %x is not in %x", key, row)
		}
	})
}
