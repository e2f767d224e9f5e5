package column

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
)

// layoutOf is a layout whose ways are those.
func layoutOf(w ...way) *Layout {
	l := NewLayout()
	l.current.Store(&plan{ways: w, missed: make([]atomic.Int32, len(w))})
	return l
}

// roundTrip fails if raw does not come back from column order, and returns that.
func roundTrip(t *testing.T, raw []byte, l *Layout) []byte {
	t.Helper()
	out, ok := NewEncoder().Encode([]byte("before"), raw, l)
	if !ok {
		t.Fatalf("a block of %d bytes is left alone", len(raw))
	}
	out, ok = bytes.CutPrefix(out, []byte("before"))
	if !ok {
		t.Fatal("dst is gone")
	}
	back, err := NewDecoder().Decode([]byte("before"), out, len(raw))
	if err != nil {
		t.Fatal(err)
	}
	if string(back[:6]) != "before" || !bytes.Equal(back[6:], raw) {
		t.Fatalf("another block comes back, by %v", l.current.Load().ways)
	}
	return out
}

// TestEveryWay puts columns of every kind in every way, alone and with NULLs among them.
func TestEveryWay(t *testing.T) {
	rng := random(t)
	for name, value := range makers {
		for _, nulls := range []int{0, 10, 1000} {
			for _, n := range []int{1, 2, 7, 300, tileRows, tileRows + 1, 1300} {
				var raw []byte
				for i := range n {
					v := value(rng, i)
					if rng.IntN(1000) < nulls {
						v = nil
					}
					raw = appendRow(raw, row{v})
				}
				for w := range ways {
					out := roundTrip(t, raw, layoutOf(w))
					if t.Failed() {
						t.Fatalf("%s, %d rows, way %d", name, n, w)
					}
					if len(out) > len(raw)+100 {
						t.Errorf("%s, way %d: %d bytes from %d", name, w, len(out), len(raw))
					}
				}
			}
		}
	}
}

// TestRandomTables: whatever the columns, the ways, and what stands around the rows.
func TestRandomTables(t *testing.T) {
	rng := random(t)
	names := slices.Sorted(maps.Keys(makers))
	for range 150 {
		cols := 1 + rng.IntN(12)
		if rng.IntN(30) == 0 {
			cols = 1600
		}
		raw, w := randomTable(rng, names, cols, 1+rng.IntN(3000/cols+1))
		if len(raw)/(3000/cols+1) > wide {
			continue
		}
		if out, ok := NewEncoder().Encode(nil, raw, layoutOf(w...)); ok {
			back, err := NewDecoder().Decode(nil, out, len(raw))
			if err != nil || !bytes.Equal(back, raw) {
				t.Fatalf("ways %v: %v", w, err)
			}
		}
		if out, ok := NewEncoder().Encode(nil, raw, NewLayout()); ok {
			back, err := NewDecoder().Decode(nil, out, len(raw))
			if err != nil || !bytes.Equal(back, raw) {
				t.Fatalf("chosen ways: %v", err)
			}
		}
	}
}

// randomTable is n rows, and a way for each of their columns.
func randomTable(rng *rand.Rand, names []string, cols, n int) (raw []byte, w []way) {
	values := make([]func(*rand.Rand, int) []byte, cols)
	for c := range values {
		values[c] = makers[names[rng.IntN(len(names))]]
		w = append(w, way(rng.IntN(int(ways))))
	}
	if rng.IntN(2) == 0 {
		raw = header(rng.IntN(2) * rng.IntN(50))
	}
	r := make(row, cols)
	for i := range n {
		for c := range r {
			if r[c] = values[c](rng, i); rng.IntN(20) == 0 {
				r[c] = nil
			}
		}
		raw = appendRow(raw, r)
	}
	if rng.IntN(2) == 0 {
		raw = append(raw, copyTrailer...)
	}
	return raw, w
}

// TestWideTable: as many columns as a tuple can have.
func TestWideTable(t *testing.T) {
	r, w := make(row, 1600), make([]way, 1600)
	for c := range r {
		if c%3 > 0 {
			r[c] = []byte{}
		}
		if c%400 == 0 {
			r[c] = number(8, uint64(c))
		}
		w[c] = way(c % int(ways))
	}
	raw := tuples(r, r, r)
	e := NewEncoder()
	if !e.block.parse(raw) {
		t.Fatal("not parsed")
	}
	out := e.head(nil)
	for c := range w {
		var ok bool
		if out, ok = e.put(out, e.block.column(c), w[c]); !ok {
			t.Fatalf("column %d", c)
		}
	}
	back, err := NewDecoder().Decode(nil, out, len(raw))
	if err != nil || !bytes.Equal(back, raw) {
		t.Fatalf("another block comes back: %v", err)
	}
}

// TestNoBlock: what is not whole tuples of one table is left alone.
func TestNoBlock(t *testing.T) {
	rows := tuples(row{[]byte("a"), nil}, row{[]byte("b"), []byte("c")})
	whole := slices.Concat(header(3), rows, copyTrailer)
	cut := func(n int) []byte { return whole[:len(whole)-n] }
	blocks := map[string][]byte{
		"nothing":            {},
		"text":               []byte("1\tone\n2\ttwo\n3\tthree\n"),
		"header only":        header(0),
		"header cut":         header(0)[:15],
		"extension cut":      header(9)[:25],
		"header and trailer": append(header(0), copyTrailer...),
		"trailer only":       copyTrailer,
		"trailer cut":        cut(1),
		"value cut":          cut(3),
		"length cut":         cut(5),
		"bytes behind":       append(slices.Clone(whole), 0),
		"two trailers":       append(slices.Clone(whole), copyTrailer...),
		"two headers":        append(header(0), whole...),
		"no columns":         {0, 0, 0, 0, 0, 0, 0, 0},
		"negative columns":   {0xff, 0xfe, 0, 0, 0, 0, 0, 0},
		"other columns":      append(slices.Clone(rows), tuples(row{nil})...),
		"more columns":       append(slices.Clone(rows), tuples(row{nil, nil, nil})...),
		"negative length":    {0, 1, 0xff, 0xff, 0xff, 0xfe},
		"length beyond":      {0, 1, 0x7f, 0xff, 0xff, 0xff},
		"too large":          make([]byte, MaxBlock+1),
	}
	for name, raw := range blocks {
		for _, cols := range []int{1, 2, 3} {
			out, ok := NewEncoder().Encode([]byte("before"), raw, layoutOf(make([]way, cols)...))
			if ok || string(out) != "before" {
				t.Errorf("%s: taken", name)
			}
		}
	}
	roundTrip(t, whole, layoutOf(plain, plain))
}

// TestDamage cuts a block everywhere and flips its bits: what is not refused is another block of the
// same size, which a digest finds.
func TestDamage(t *testing.T) {
	rng := random(t)
	raw := slices.Concat(header(0), observations(rng, 0, 60), copyTrailer)
	out := roundTrip(t, raw, layoutOf(delta, planes, delta, dictionary, planes, dictionary, planes, plain))
	d := NewDecoder()
	for n := range out {
		if _, err := d.Decode(nil, out[:n], len(raw)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		for bit := range 8 {
			out[n] ^= 1 << bit
			back, err := d.Decode(nil, out, len(raw))
			if err != nil && !errors.Is(err, ErrCorrupt) || err == nil && len(back) != len(raw) {
				t.Fatalf("byte %d bit %d: %v", n, bit, err)
			}
			out[n] ^= 1 << bit
		}
	}
	for _, size := range []int{-1, 0, 1, len(raw) - 1, len(raw) + 1, len(raw) + 2, MaxBlock, 1 << 40} {
		if _, err := d.Decode(nil, out, size); !errors.Is(err, ErrCorrupt) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	if _, err := d.Decode(nil, append(out, 0), len(raw)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte behind: %v", err)
	}
}
