package column

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
)

// TestNoAllocation: a steady flow of blocks costs no memory, in either direction.
func TestNoAllocation(t *testing.T) {
	rng := random(t)
	raw := append(observations(rng, 0, 3000), copyTrailer...)
	l := NewLayout()
	e, d := NewEncoder(), NewDecoder()
	var out, back []byte
	round := func() {
		out, _ = e.Encode(out[:0], raw, l)
		back, _ = d.Decode(back[:0], out, len(raw))
	}
	round()
	if n := testing.AllocsPerRun(20, round); n > 0 {
		t.Errorf("%v allocations a block", n)
	}
}

// TestBomb: a few bytes that stand for very many rows get no more than a block's memory, and what
// cannot be a block gets none.
func TestBomb(t *testing.T) {
	bomb := func(cols, rows int, code uint32) []byte {
		b := append([]byte{version, 0}, byte(cols>>8), byte(cols))
		b = binary.BigEndian.AppendUint32(b, uint32(rows))
		b = binary.BigEndian.AppendUint32(b, 0)
		for range cols {
			b = append(b, byte(plain), 0)
			b = binary.BigEndian.AppendUint32(b, code)
			b = binary.BigEndian.AppendUint32(b, 0)
		}
		return b
	}
	nulls := bomb(1, MaxBlock/6, 0)
	sizes := []struct {
		b    []byte
		size int
		most uint64
		ok   bool
	}{
		{nulls, MaxBlock / 6 * 6, 40 << 20, true}, // a block like another, if a dull one
		{bomb(1, 1<<32-1, 0), 1 << 30, 64 << 10, false},
		{bomb(1, 1<<27, 0), 6 << 27, 64 << 10, false},
		{bomb(10, MaxBlock, 0), MaxBlock, 64 << 10, false},
		{bomb(1, 100, 1<<20), MaxBlock, 40 << 20, false},
		{bomb(1, 100, 1<<32-1), MaxBlock, 64 << 10, false},
	}
	for i, c := range sizes {
		d := NewDecoder()
		took := allocated(func() {
			if _, err := d.Decode(nil, c.b, c.size); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrCorrupt) {
				t.Errorf("bomb %d: %v", i, err)
			}
		})
		if took > c.most {
			t.Errorf("bomb %d took %d bytes", i, took)
		}
	}
}

// TestEncoderMemory: blocks of the shortest rows are the worst for what an encoder holds.
func TestEncoderMemory(t *testing.T) {
	var raw []byte
	for range 4 << 20 / 6 {
		raw = append(raw, 0, 1, 0xff, 0xff, 0xff, 0xff)
	}
	e := NewEncoder()
	took := allocated(func() {
		if _, ok := e.Encode(make([]byte, 0, 1<<20), raw, layoutOf(dictionary)); !ok {
			t.Error("left alone")
		}
	})
	if took > uint64(4*len(raw)) {
		t.Errorf("%d bytes for a block of %d", took, len(raw))
	}
}

// allocated is how many bytes f takes, garbage included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func BenchmarkEncode(b *testing.B) {
	benchmark(b, func(b *testing.B, raw, out []byte, l *Layout) {
		e := NewEncoder()
		for b.Loop() {
			out, _ = e.Encode(out[:0], raw, l)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	benchmark(b, func(b *testing.B, raw, out []byte, _ *Layout) {
		d := NewDecoder()
		size := len(raw)
		for b.Loop() {
			raw, _ = d.Decode(raw[:0], out, size)
		}
	})
}

func benchmark(b *testing.B, run func(b *testing.B, raw, out []byte, l *Layout)) {
	rng := rand.New(rand.NewPCG(1, 1))
	for name, raw := range map[string][]byte{"observations": observations(rng, 0, 45_000), "audit": audit(rng, 40_000)} {
		b.Run(name, func(b *testing.B) {
			l := NewLayout()
			out, ok := NewEncoder().Encode(nil, raw, l)
			if !ok {
				b.Fatal("left alone")
			}
			b.SetBytes(int64(len(raw)))
			run(b, raw, out, l)
		})
	}
}
