package checksum

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// secrets are the two ways to hash: with none, and with one.
var secrets = map[string]Secret{"plain": {}, "keyed": {1, 2, 3}}

// randomTuples are images of rows of two columns, of which the first is the key. No two are alike.
func randomTuples(rng *rand.Rand, n int) [][]byte {
	rows := make([][]byte, n)
	for i := range rows {
		rows[i] = tuple(fmt.Appendf(nil, "%d-%d", i, rng.Uint32()), randomRows(rng, 1)[0])
	}
	return rows
}

// hashed is a row as the reading of a table with one key column hashes it.
func hashed(t testing.TB, h *RowHasher, row []byte) RowHash {
	key, ok := KeyImage(row, 1, false)
	if !ok {
		t.Fatalf("no key in %x", row)
	}
	return RowHash{h.Key(key), h.Row(row)}
}

func fingerprintOf(t testing.TB, s Secret, of Selection, rows ...[]byte) *Fingerprint {
	f, h := NewFingerprint(s, of), NewRowHasher(s)
	for _, row := range rows {
		if r := hashed(t, h, row); of.Holds(r.Key) {
			f.Add(r, len(row))
		}
	}
	return f
}

func rowsOf(t testing.TB, s Secret, of Selection, rows ...[]byte) *Rows {
	list, h := NewRows(s), NewRowHasher(s)
	for _, row := range rows {
		if r := hashed(t, h, row); of.Holds(r.Key) {
			list.Add(r)
		}
	}
	return list
}

func TestFingerprintIgnoresOrder(t *testing.T) {
	for name, s := range secrets {
		t.Run(name, func(t *testing.T) {
			rng := seeded(t)
			rows := randomTuples(rng, 3000)
			want := fingerprintOf(t, s, nil, rows...)
			rng.Shuffle(len(rows), func(i, k int) { rows[i], rows[k] = rows[k], rows[i] })
			got := NewFingerprint(s, nil)
			for part := range slices.Chunk(rows, 1+rng.IntN(len(rows))) {
				if err := got.Merge(fingerprintOf(t, s, nil, part...)); err != nil {
					t.Fatal(err)
				}
			}
			if !got.Equal(want) {
				t.Fatal("shuffled and merged it is another")
			}
			h := NewRowHasher(s)
			more := randomTuples(rng, 500)
			for _, row := range more {
				got.Add(hashed(t, h, row), len(row))
			}
			if got.Equal(want) {
				t.Fatal("500 rows more are not seen")
			}
			for _, row := range more {
				got.Remove(hashed(t, h, row), len(row))
			}
			if !got.Equal(want) {
				t.Fatal("rows put in and taken out again leave something behind")
			}
		})
	}
}

// TestPlainTotal: without a secret the buckets together are the Set of the rows.
func TestPlainTotal(t *testing.T) {
	rows := randomTuples(seeded(t), 1000)
	plain, want := fingerprintOf(t, Secret{}, nil, rows...).Total(), setOf(rows...)
	if plain != want {
		t.Fatalf("total is %s, want %s", plain, want)
	}
	keyed := fingerprintOf(t, secrets["keyed"], nil, rows...).Total()
	if keyed.Rows != want.Rows || keyed.Bytes != want.Bytes || keyed == want {
		t.Fatalf("keyed total is %s, want another sum than %s", keyed, want)
	}
}

// TestSecretsDoNotMix: what differs by its secret or its level alone is an error and no difference.
func TestSecretsDoNotMix(t *testing.T) {
	a := NewFingerprint(Secret{}, nil)
	for name, b := range map[string]*Fingerprint{
		"secret": NewFingerprint(secrets["keyed"], nil), "level": NewFingerprint(Secret{}, Sample(5, 0)),
	} {
		if _, err := a.Diff(b); !errors.Is(err, ErrUnlike) {
			t.Errorf("%s: Diff: %v", name, err)
		}
		if err := a.Merge(b); !errors.Is(err, ErrUnlike) {
			t.Errorf("%s: Merge: %v", name, err)
		}
		if a.Equal(b) {
			t.Errorf("%s: equal", name)
		}
	}
	if _, err := Compare(NewRows(Secret{}), NewRows(NewSecret())); !errors.Is(err, ErrUnlike) {
		t.Errorf("Compare: %v", err)
	}
}

// TestNarrowing damages a few of many rows and finds exactly those, level by level.
func TestNarrowing(t *testing.T) {
	for name, s := range secrets {
		t.Run(name, func(t *testing.T) {
			rng := seeded(t)
			src := randomTuples(rng, 20000)
			tgt, want := damaged(t, rng, s, src)
			var sel Selection
			for range Levels {
				a, b := fingerprintOf(t, s, sel, src...), fingerprintOf(t, s, sel, tgt...)
				d, err := a.Diff(b)
				if err != nil {
					t.Fatal(err)
				}
				if n := d.Len(); n == 0 || n > len(want) {
					t.Fatalf("level %d: %d buckets differ for %d rows", len(sel), n, len(want))
				}
				left := rowsOf(t, s, sel.Within(d), src...)
				if int64(left.Len()) != a.Rows(d) {
					t.Fatalf("level %d: %d rows are left, %d foretold", len(sel), left.Len(), a.Rows(d))
				}
				sel = sel.Within(d)
				got, err := Compare(left, rowsOf(t, s, sel, tgt...))
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("level %d: found %v, %v, want %v", len(sel), got, err, want)
				}
			}
		})
	}
}

// damaged is rows with one changed, one lost, one added, and two that swapped their values.
func damaged(t *testing.T, rng *rand.Rand, s Secret, rows [][]byte) ([][]byte, []Difference) {
	at := rng.Perm(len(rows))[:4]
	key := func(i int) []byte { return rows[at[i]][6 : 6+int(rows[at[i]][5])] }
	value := func(i int) []byte { return rows[at[i]][10+len(key(i)):] }
	extra := tuple([]byte("extra"), []byte("row"))
	bad := slices.Clone(rows)
	bad[at[0]] = tuple(key(0), append(bytes.Clone(value(0)), 'x'))
	bad[at[2]], bad[at[3]] = tuple(key(2), append(value(3), '3')), tuple(key(3), append(value(2), '2'))
	lost := rows[at[1]]
	bad[at[1]] = extra
	h := NewRowHasher(s)
	want := []Difference{
		{hashed(t, h, rows[at[0]]).Key, 1, 1}, {hashed(t, h, rows[at[2]]).Key, 1, 1}, {hashed(t, h, rows[at[3]]).Key, 1, 1},
		{hashed(t, h, lost).Key, 1, 0}, {hashed(t, h, extra).Key, 0, 1},
	}
	slices.SortFunc(want, func(a, b Difference) int { return strings.Compare(a.Key.String(), b.Key.String()) })
	return bad, want
}

// TestCompareCounts: rows without a key are compared by how often they stand there.
func TestCompareCounts(t *testing.T) {
	h := NewRowHasher(Secret{})
	list := func(rows string) *Rows {
		l := NewRows(Secret{})
		for _, c := range rows {
			l.Add(h.Keyless([]byte(string(c))))
		}
		return l
	}
	for _, c := range []struct {
		source, target string
		want           map[string][2]int
	}{
		{"", "", nil},
		{"abc", "cab", nil},
		{"aab", "aba", nil},
		{"aab", "ab", map[string][2]int{"a": {1, 0}}},
		{"a", "aaab", map[string][2]int{"a": {0, 2}, "b": {0, 1}}},
		{"aabb", "abbb", map[string][2]int{"a": {1, 0}, "b": {0, 1}}},
	} {
		got, err := Compare(list(c.source), list(c.target))
		if err != nil || len(got) != len(c.want) {
			t.Fatalf("%q, %q: %v, %v", c.source, c.target, got, err)
		}
		for row, n := range c.want {
			if want := (Difference{h.Keyless([]byte(row)).Key, n[0], n[1]}); !slices.Contains(got, want) {
				t.Errorf("%q, %q: %v lacks %v", c.source, c.target, got, want)
			}
		}
	}
	kinds := []Kind{Difference{Source: 1}.Kind(), Difference{Target: 2}.Kind(), Difference{Source: 1, Target: 1}.Kind()}
	if !slices.Equal(kinds, []Kind{OnlySource, OnlyTarget, Changed}) {
		t.Errorf("kinds are %v", kinds)
	}
}

// TestSample: turns of a sample take every row once, and a sample is the share it says.
func TestSample(t *testing.T) {
	rng := seeded(t)
	rows, h := randomTuples(rng, 5000), NewRowHasher(NewSecret())
	const turns = 16
	seen := make([]int, len(rows))
	for turn := range turns {
		s := Sample(100.0/turns, turn)
		if n := s[0].Len(); n != BucketCount/turns {
			t.Fatalf("turn %d has %d buckets", turn, n)
		}
		for i, row := range rows {
			if s.Holds(hashed(t, h, row).Key) {
				seen[i]++
			}
		}
	}
	for i, n := range seen {
		if n != 1 {
			t.Fatalf("row %d is in %d turns", i, n)
		}
	}
	for _, c := range []struct {
		percent float64
		want    int
	}{{0, 1}, {-3, 1}, {0.001, 1}, {5, 205}, {100, BucketCount}, {1e9, BucketCount}} {
		for _, turn := range []int{0, 1, 19, 1 << 40, -1} {
			if n := Sample(c.percent, turn)[0].Len(); n != c.want {
				t.Errorf("%v %%, turn %d: %d buckets, want %d", c.percent, turn, n, c.want)
			}
		}
	}
}

func TestSecretIsNotShown(t *testing.T) {
	s := NewSecret()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, s); got != "[key]" {
			t.Errorf("%s shows %s", verb, got)
		}
	}
	if got := s.LogValue().String(); got != "[key]" {
		t.Errorf("slog shows %s", got)
	}
	if s == NewSecret() || s == (Secret{}) {
		t.Error("not random")
	}
}

func TestFingerprintDoesNotAllocate(t *testing.T) {
	row := tuple([]byte("12345678"), make([]byte, 3000))
	for name, s := range secrets {
		f, h, sel := NewFingerprint(s, nil), NewRowHasher(s), Sample(100, 0)
		if n := testing.AllocsPerRun(100, func() {
			if r := hashed(t, h, row); sel.Holds(r.Key) {
				f.Add(r, len(row))
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per row", name, n)
		}
	}
}

// BenchmarkFingerprint is a row of a narrow and of a wide table, from the stream to its bucket;
// split is the finding of the rows alone.
func BenchmarkFingerprint(b *testing.B) {
	for _, size := range []int{30, 100, 300, 1000} {
		one := tuple(make([]byte, 8), make([]byte, size/2), nil, make([]byte, size/2))
		const count = 1000
		many := bytes.Repeat(one, count)
		run := func(name string, row func([]byte)) {
			b.Run(fmt.Sprintf("%s/%d", name, len(one)), func(b *testing.B) {
				w := NewRowSplitter(false, row)
				_, _ = w.Write(copyStream("")[:copyHeader])
				b.SetBytes(int64(len(many)))
				b.ReportAllocs()
				for b.Loop() {
					_, _ = w.Write(many)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/row")
			})
		}
		run("split", func([]byte) {})
		var set Set
		run("set", set.Add)
		for name, s := range secrets {
			f, h := NewFingerprint(s, nil), NewRowHasher(s)
			run(name, func(row []byte) { f.Add(hashed(b, h, row), len(row)) })
		}
	}
}
