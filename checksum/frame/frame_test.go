package frame

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func encoder(t testing.TB) *Encoder {
	t.Helper()
	e, err := NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func random(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func bodies() map[string][]byte {
	text := []byte(strings.Repeat("patient 4711, observation normal; ", 2000))
	return map[string][]byte{
		"empty":      {},
		"short":      []byte("abc"),
		"random":     random(100_000, 7),
		"text":       text,
		"zeros":      make([]byte, 5<<20), // a ratio far beyond the believed one
		"mixed":      append(random(300_000, 8), bytes.Repeat(text, 20)...),
		"one window": append(random(window, 9), random(window, 9)...),
	}
}

func TestSealOpen(t *testing.T) {
	want := Header{Kind: Changes, Flags: Synced, Seq: 42, First: 0x16B374D848, Last: 0x16B374D900}
	for name, raw := range bodies() {
		for _, c := range []Compressor{nil, encoder(t)} {
			sealed := Seal([]byte("before"), want, raw, c)
			if !bytes.HasPrefix(sealed, []byte("before")) {
				t.Fatalf("%s: dst is gone", name)
			}
			sealed = sealed[len("before"):]
			h, got, err := Open(sealed, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if h.Kind != want.Kind || h.Flags != want.Flags || h.Seq != want.Seq || h.First != want.First || h.Last != want.Last {
				t.Errorf("%s: header %+v", name, h)
			}
			if !bytes.Equal(got, raw) {
				t.Errorf("%s: raw bytes differ", name)
			}
			if h.Size() != len(sealed) || len(sealed) > len(raw)+HeaderSize {
				t.Errorf("%s: frame of %d bytes for %d, header says %d", name, len(sealed), len(raw), h.Size())
			}
			if c != nil && name == "text" && h.Encoding != Zstd {
				t.Errorf("%s: not compressed", name)
			}
		}
	}
}

// TestSealPlain makes the frame in place that Seal makes without a compressor.
func TestSealPlain(t *testing.T) {
	h := Header{Kind: Rows, Seq: 9}
	for name, raw := range bodies() {
		if got := SealPlain(append(bytes.Repeat([]byte{7}, HeaderSize), raw...), h); !bytes.Equal(got, Seal(nil, h, raw, nil)) {
			t.Errorf("%s: the frame is another", name)
		}
	}
}

func TestOpenDoesNotAlias(t *testing.T) {
	sealed := Seal(nil, Header{Kind: Rows}, []byte("row"), nil)
	_, raw, err := Open(sealed, nil)
	if err != nil {
		t.Fatal(err)
	}
	clear(sealed)
	if string(raw) != "row" {
		t.Fatal("raw bytes changed with the frame")
	}
}

// TestEveryFlipIsSeen flips each bit of a plain and of a compressed frame. zstd has bits that mean
// nothing; a flip of one of those may go unseen, but the raw bytes are then what was sealed.
func TestEveryFlipIsSeen(t *testing.T) {
	raw := bytes.Repeat([]byte("some rows "), 30)
	for _, c := range []Compressor{nil, encoder(t)} {
		sealed := Seal(nil, Header{Kind: Rows, Seq: 1}, raw, c)
		for i := range sealed {
			for bit := range 8 {
				sealed[i] ^= 1 << bit
				_, got, err := Open(sealed, nil)
				harmless := c != nil && i >= HeaderSize && err == nil && bytes.Equal(got, raw)
				if !errors.Is(err, ErrCorrupt) && !harmless {
					t.Fatalf("byte %d bit %d: %v", i, bit, err)
				}
				sealed[i] ^= 1 << bit
			}
		}
		for n := range sealed {
			if _, _, err := Open(sealed[:n], nil); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("cut at %d: %v", n, err)
			}
		}
		if _, _, err := Open(append(sealed, 0), nil); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("a byte behind: %v", err)
		}
	}
}

// TestBomb: a header that claims a gigabyte gets no more memory than its payload earns.
func TestBomb(t *testing.T) {
	sealed := Seal(nil, Header{Kind: Rows}, make([]byte, 1<<20), encoder(t))
	h, err := ReadHeader(sealed)
	if err != nil {
		t.Fatal(err)
	}
	h.Raw = MaxRaw
	h.put(sealed)
	took := allocated(func() {
		if _, _, err := Open(sealed, nil); !errors.Is(err, ErrCorrupt) {
			t.Errorf("bomb: %v", err)
		}
	})
	if took > 16<<20 {
		t.Errorf("Open took %d bytes", took)
	}
	h.Encoding, h.Payload = Plain, MaxRaw
	h.put(sealed)
	took = allocated(func() {
		if _, err := Read(bytes.NewReader(sealed), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("read: %v", err)
		}
	})
	if took > 4<<20 {
		t.Errorf("Read took %d bytes", took)
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

func TestRead(t *testing.T) {
	var stream []byte
	var sizes []int
	for _, raw := range bodies() {
		at := len(stream)
		stream = Seal(stream, Header{Kind: Rows}, raw, nil)
		sizes = append(sizes, len(stream)-at)
	}
	r := iotest.HalfReader(bytes.NewReader(stream))
	var buf []byte
	at := 0
	for _, size := range sizes {
		var err error
		if buf, err = Read(r, buf); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(buf, stream[at:at+size]) {
			t.Fatalf("frame at %d differs", at)
		}
		at += size
	}
	if _, err := Read(r, buf); err != io.EOF {
		t.Fatalf("end: %v", err)
	}
	for _, n := range []int{1, HeaderSize, sizes[0] - 1} {
		if n == 0 || n >= sizes[0] {
			continue
		}
		if _, err := Read(bytes.NewReader(stream[:n]), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	if _, err := Read(bytes.NewReader(make([]byte, 100)), nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("zeros: %v", err)
	}
}

// TestGolden holds the layout: a change of it needs a new magic.
func TestGolden(t *testing.T) {
	h := Header{Kind: Changes, Flags: Synced, Seq: 7, First: 0x100, Last: 0x200}
	raw := bytes.Repeat([]byte("golden "), 20)
	golden := readGolden(t, "testdata/v1.hex")
	if got := Seal(nil, h, raw, nil); !bytes.Equal(got, golden[0]) {
		t.Errorf("plain frame is now\n%x", got)
	}
	// The bytes of the compressed one are the library's affair; it must open for ever.
	for i, g := range golden {
		got, back, err := Open(g, nil)
		if err != nil || !bytes.Equal(back, raw) || got.Seq != h.Seq || got.Last != h.Last || got.Flags != h.Flags {
			t.Errorf("golden frame %d: %+v, %v", i, got, err)
		}
	}
	if h, _ := ReadHeader(golden[1]); h.Encoding != Zstd {
		t.Error("the second golden frame is not compressed")
	}
}

func readGolden(t *testing.T, name string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for line := range strings.FieldsSeq(string(text)) {
		b, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func TestNoAllocation(t *testing.T) {
	raw := bodies()["text"]
	e := encoder(t)
	var sealed, back []byte
	round := func() {
		sealed = Seal(sealed[:0], Header{Kind: Rows}, raw, e)
		_, back, _ = Open(sealed, back)
		sealed = Seal(sealed[:0], Header{Kind: Rows}, raw, nil)
		_, back, _ = Open(sealed, back)
	}
	round()
	if n := testing.AllocsPerRun(50, round); n >= 1 && !raceDetector {
		t.Fatalf("%v allocations per frame", n)
	}
}

// FuzzOpen: whatever the bytes, no panic, and what opens was sealed.
func FuzzOpen(f *testing.F) {
	e := encoder(f)
	f.Add(Seal(nil, Header{Kind: Rows}, []byte("rows"), nil))
	f.Add(Seal(nil, Header{Kind: Changes, Seq: 3}, bytes.Repeat([]byte("rows"), 100), e))
	f.Add(Seal(nil, Header{Kind: Changes}, make([]byte, 1<<20), e))
	f.Add(sealColumns(f, 300))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, raw, err := Open(b, nil)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("another class: %v", err)
			}
			return
		}
		if h.Raw != len(raw) || h.Size() != len(b) {
			t.Fatalf("header %+v for %d raw bytes", h, len(raw))
		}
		// The digest hides the decompressor from the fuzzer; let it in by the side door too.
		_, _ = decompress(nil, b[HeaderSize:], h.Raw)
		_, _ = inRows(nil, b[HeaderSize:], h.Raw)
	})
}

// FuzzDecompress feeds the decompressor behind the digest.
func FuzzDecompress(f *testing.F) {
	e := encoder(f)
	for _, n := range []int{10, 1000, 100_000} {
		f.Add(e.Compress(nil, make([]byte, n)), n)
		f.Add(e.Compress(nil, random(n, 3)), n)
	}
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		size &= 1<<22 - 1
		raw, err := decompress(nil, b, size)
		if err == nil && len(raw) != size || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d bytes for %d: %v", len(raw), size, err)
		}
	})
}

func benchmarkBody() []byte {
	rng := rand.New(rand.NewPCG(uint64(time.Now().Unix()), 0))
	var b []byte
	for len(b) < 256<<10 {
		b = append(b, "some words of a clinical note "...)
		for range 20 {
			b = append(b, byte(rng.Uint32()))
		}
	}
	return b
}

func BenchmarkSeal(b *testing.B) {
	for name, c := range map[string]Compressor{"plain": nil, "zstd": encoder(b)} {
		b.Run(name, func(b *testing.B) {
			raw := benchmarkBody()
			var sealed []byte
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				sealed = Seal(sealed[:0], Header{Kind: Rows}, raw, c)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for name, c := range map[string]Compressor{"plain": nil, "zstd": encoder(b)} {
		b.Run(name, func(b *testing.B) {
			sealed := Seal(nil, Header{Kind: Rows}, benchmarkBody(), c)
			var raw []byte
			b.SetBytes(256 << 10)
			for b.Loop() {
				_, raw, _ = Open(sealed, raw)
			}
		})
	}
}
