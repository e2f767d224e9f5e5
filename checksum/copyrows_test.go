package checksum

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

func tuple(fields ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(fields)))
	for _, f := range fields {
		if f == nil {
			b = binary.BigEndian.AppendUint32(b, 0xFFFFFFFF)
			continue
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

func copyStream(ext string, rows ...[]byte) []byte {
	b := append([]byte(nil), copySignature...)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(ext)))
	b = append(b, ext...)
	for _, r := range rows {
		b = append(b, r...)
	}
	return append(b, 0xFF, 0xFF)
}

// split feeds stream in the pieces that cut gives and returns the rows.
func split(text bool, stream []byte, cut func(left int) int) ([][]byte, error) {
	var rows [][]byte
	w := NewRowSplitter(text, func(r []byte) { rows = append(rows, bytes.Clone(r)) })
	for len(stream) > 0 {
		n := cut(len(stream))
		// A buffer of its own per write, wiped after it: the splitter must not keep it.
		p := bytes.Clone(stream[:n])
		if k, err := w.Write(p); err != nil || k != n {
			return rows, err
		}
		clear(p)
		stream = stream[n:]
	}
	return rows, w.Close()
}

func cuts(rng *rand.Rand) map[string]func(int) int {
	return map[string]func(int) int{
		"whole":  func(left int) int { return left },
		"bytes":  func(int) int { return 1 },
		"random": func(left int) int { return 1 + rng.IntN(min(left, 40)) },
	}
}

func TestBinaryRows(t *testing.T) {
	rng := seeded(t)
	rows := [][]byte{tuple(), tuple(nil), tuple([]byte{}), tuple([]byte("a"), nil, []byte("bc")), tuple(nil, nil)}
	for range 50 {
		rows = append(rows, tuple(randomRows(rng, rng.IntN(6))...))
	}
	for name, cut := range cuts(rng) {
		for _, ext := range []string{"", "extension"} {
			got, err := split(false, copyStream(ext, rows...), cut)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			compareRows(t, name, got, rows)
		}
	}
}

func TestTextRows(t *testing.T) {
	rows := [][]byte{[]byte("1\ta"), []byte(""), []byte(`2\nb`), []byte("3")}
	stream := append(bytes.Join(rows, []byte("\n")), '\n')
	for name, cut := range cuts(seeded(t)) {
		got, err := split(true, stream, cut)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		compareRows(t, name, got, rows)
	}
	if _, err := split(true, []byte("1\n2"), func(n int) int { return n }); !errors.Is(err, ErrCopyFormat) {
		t.Fatalf("half a line: %v", err)
	}
}

func compareRows(t *testing.T, name string, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", name, len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("%s: row %d is %x, want %x", name, i, got[i], want[i])
		}
	}
}

func TestBrokenStreams(t *testing.T) {
	good := copyStream("", tuple([]byte("abc"), nil))
	for n := range len(good) {
		if _, err := split(false, good[:n], func(left int) int { return left }); !errors.Is(err, ErrCopyFormat) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	broken := func(at int, b byte) []byte { g := bytes.Clone(good); g[at] = b; return g }
	for name, stream := range map[string][]byte{
		"signature":      broken(3, 'x'),
		"extension":      broken(15, 0x7F),
		"field count":    broken(copyHeader, 0x80),
		"field length":   broken(copyHeader+2, 0x80),
		"beyond trailer": append(bytes.Clone(good), 0),
	} {
		for cutName, cut := range cuts(seeded(t)) {
			if _, err := split(false, stream, cut); !errors.Is(err, ErrCopyFormat) {
				t.Errorf("%s, %s: %v", name, cutName, err)
			}
		}
	}
}

func TestSplitterDoesNotAllocate(t *testing.T) {
	one := tuple(make([]byte, 100), nil, make([]byte, 20))
	many := bytes.Repeat(one, 20)
	w := NewRowSplitter(false, func([]byte) {})
	if _, err := w.Write(copyStream("")[:copyHeader]); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		_, _ = w.Write(many[:57])
		_, _ = w.Write(many[57:])
	}); n != 0 {
		t.Fatalf("%v allocations per write", n)
	}
}

// FuzzSplitter: where a stream is cut never changes what comes out.
func FuzzSplitter(f *testing.F) {
	f.Add(copyStream("", tuple([]byte("abc"), nil), tuple()), uint8(3), false)
	f.Add([]byte("a\tb\nc\n"), uint8(2), true)
	f.Add(copyStream("ext", tuple([]byte{})), uint8(1), false)
	f.Fuzz(func(t *testing.T, stream []byte, step uint8, text bool) {
		whole, err := split(text, stream, func(left int) int { return left })
		parts, partErr := split(text, stream, func(left int) int { return min(left, int(step)+1) })
		if (err == nil) != (partErr == nil) {
			t.Fatalf("whole: %v, in pieces: %v", err, partErr)
		}
		compareRows(t, "in pieces", parts, whole)
	})
}

func BenchmarkSplitter(b *testing.B) {
	many := bytes.Repeat(tuple(make([]byte, 100), nil, make([]byte, 20)), 500)
	w := NewRowSplitter(false, func([]byte) {})
	_, _ = w.Write(copyStream("")[:copyHeader])
	b.SetBytes(int64(len(many)))
	for b.Loop() {
		_, _ = w.Write(many)
	}
}
