package column

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// FuzzDecode: whatever the bytes, no panic, and a block of that size or ErrCorrupt.
func FuzzDecode(f *testing.F) {
	raw, l := goldenBlock()
	out, _ := NewEncoder().Encode(nil, raw, l)
	f.Add(out, len(raw))
	rng := rand.New(rand.NewPCG(1, 2))
	raw = observations(rng, 0, 40)
	out, _ = NewEncoder().Encode(nil, raw, layoutOf(delta, planes, delta, dictionary, planes, plain, planes, delta))
	f.Add(out, len(raw))
	d, e := NewDecoder(), NewEncoder()
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		size &= 1<<20 - 1
		back, err := d.Decode(nil, b, size)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("another class: %v", err)
			}
			return
		}
		if len(back) != size {
			t.Fatalf("%d bytes for %d", len(back), size)
		}
		if !e.block.parse(back) {
			t.Fatal("decoded bytes are no block")
		}
	})
}

// FuzzRoundTrip makes rows of the bytes it is given: the first is the number of columns, then each
// value has a byte for its length. The ways come from the second argument.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x03\x01a\x02bc\x00\x01d\x02ef\xff\x01g\x02hi"), uint64(0x1b), byte(3))
	f.Add(bytes.Repeat([]byte{2, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 9}, 40), uint64(0xe4), byte(0))
	e, d := NewEncoder(), NewDecoder()
	f.Fuzz(func(t *testing.T, b []byte, choice uint64, around byte) {
		raw, w := rowsOf(b, choice, around)
		out, ok := e.Encode(nil, raw, layoutOf(w...))
		if !ok {
			return // no rows, or wide ones
		}
		back, err := d.Decode(nil, out, len(raw))
		if err != nil || !bytes.Equal(back, raw) {
			t.Fatalf("ways %v: %v", w, err)
		}
	})
}

func rowsOf(b []byte, choice uint64, around byte) (raw []byte, w []way) {
	if len(b) == 0 {
		return nil, nil
	}
	cols := 1 + int(b[0]%8)
	b = b[1:]
	for c := range cols {
		w = append(w, way(choice>>(2*c)&3))
	}
	if around&1 != 0 {
		raw = header(int(around >> 2))
	}
	for len(b) > 0 {
		r := make(row, cols)
		for c := range r {
			if len(b) == 0 || b[0] == 0xff {
				b = b[min(1, len(b)):]
				continue
			}
			n := min(int(b[0]), len(b)-1)
			r[c], b = b[1:1+n:1+n], b[1+n:]
		}
		raw = appendRow(raw, r)
	}
	if around&2 != 0 {
		raw = append(raw, copyTrailer...)
	}
	return raw, w
}
