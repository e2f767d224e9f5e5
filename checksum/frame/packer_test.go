package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"replicator/checksum/column"
)

// copyRows are n rows of three columns as COPY sends them, without header and trailer.
func copyRows(n int) (b []byte) {
	for i := range n {
		scatter := uint32(i) * 2_654_435_761
		b = append(b, 0, 3, 0, 0, 0, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(1000+i))
		code := fmt.Sprintf("code %d", scatter>>20%5)
		b = binary.BigEndian.AppendUint32(b, uint32(len(code)))
		b = append(b, code...)
		b = append(b, 0, 0, 0, 4)
		b = binary.BigEndian.AppendUint32(b, scatter>>8%1000)
	}
	return b
}

// layout is one that has chosen for copyRows.
func layout() *column.Layout {
	l := column.NewLayout()
	column.NewEncoder().Encode(nil, copyRows(2000), l)
	return l
}

// sealColumns is a frame of n rows in column order.
func sealColumns(t testing.TB, n int) []byte {
	t.Helper()
	sealed := NewPacker().Seal(nil, Header{Kind: Rows, Seq: 9}, copyRows(n), Default, layout())
	if h, err := ReadHeader(sealed); err != nil || h.Encoding != Columns {
		t.Fatalf("not in column order: %+v, %v", h, err)
	}
	return sealed
}

func TestPackerChooses(t *testing.T) {
	rows, text := copyRows(3000), bodies()["text"]
	cases := []struct {
		name   string
		kind   Kind
		raw    []byte
		level  Level
		layout *column.Layout
		want   Encoding
	}{
		{"rows", Rows, rows, Default, layout(), Columns},
		{"rows, fastest", Rows, rows, Fastest, layout(), Columns},
		{"rows, a new layout", Rows, rows, Default, column.NewLayout(), Columns},
		{"rows, off", Rows, rows, Off, layout(), Plain},
		{"rows, no layout", Rows, rows, Default, nil, Zstd},
		{"changes", Changes, rows, Default, layout(), Zstd},
		{"text format", Rows, text, Default, layout(), Zstd},
		{"one row", Rows, copyRows(1), Default, layout(), Plain},
		{"random", Rows, random(100_000, 3), Default, layout(), Plain},
		{"nothing", Rows, nil, Default, layout(), Plain},
	}
	p := NewPacker()
	for range 2 { // the levels take turns
		for _, c := range cases {
			sealed := p.Seal([]byte("before"), Header{Kind: c.kind, Seq: 5}, c.raw, c.level, c.layout)
			sealed, ok := bytes.CutPrefix(sealed, []byte("before"))
			h, back, err := Open(sealed, nil)
			if !ok || err != nil || !bytes.Equal(back, c.raw) || h.Seq != 5 || h.Kind != c.kind {
				t.Errorf("%s: %+v, %v", c.name, h, err)
			}
			if h.Encoding != c.want {
				t.Errorf("%s: encoding %d, want %d", c.name, h.Encoding, c.want)
			}
			if len(sealed) > HeaderSize+len(c.raw) {
				t.Errorf("%s: %d bytes became %d", c.name, len(c.raw), len(sealed))
			}
		}
	}
}

// TestColumnsGain: column order takes less than half of what row order takes.
func TestColumnsGain(t *testing.T) {
	raw, p := copyRows(30_000), NewPacker()
	for _, level := range []Level{Fastest, Default} {
		rows := len(p.Seal(nil, Header{Kind: Rows}, raw, level, nil))
		columns := len(p.Seal(nil, Header{Kind: Rows}, raw, level, layout()))
		if 2*columns > rows {
			t.Errorf("%v: rows %d, columns %d", level, rows, columns)
		}
	}
}

// TestDigestIsOfTheRows: the same header and rows have the same digest in row order and in columns,
// but for what the header says of the payload.
func TestDigestIsOfTheRows(t *testing.T) {
	sealed := sealColumns(t, 3000)
	if digest(sealed, copyRows(3000)) != DigestOf(sealed) {
		t.Error("the digest is not that of the header and the rows")
	}
}

func TestEveryFlipOfColumnsIsSeen(t *testing.T) {
	raw, sealed := copyRows(40), sealColumns(t, 40)
	for i := range sealed {
		for bit := range 8 {
			sealed[i] ^= 1 << bit
			_, got, err := Open(sealed, nil)
			if harmless := i >= HeaderSize && err == nil && bytes.Equal(got, raw); !errors.Is(err, ErrCorrupt) && !harmless {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
			sealed[i] ^= 1 << bit
		}
	}
}

// TestColumnsHeader: what cannot be a frame in column order is refused by its header.
func TestColumnsHeader(t *testing.T) {
	ok := Header{Kind: Rows, Encoding: Columns, Raw: 1000, Payload: 999}
	for name, change := range map[string]func(h *Header){
		"of changes":       func(h *Header) { h.Kind = Changes },
		"not smaller":      func(h *Header) { h.Payload = h.Raw },
		"too large":        func(h *Header) { h.Raw = column.MaxBlock + 1 },
		"another encoding": func(h *Header) { h.Encoding++ },
		"no encoding":      func(h *Header) { h.Encoding = 0 },
	} {
		h, b := ok, make([]byte, HeaderSize)
		h.put(b)
		if got, err := ReadHeader(b); err != nil || got.Encoding != Columns {
			t.Fatalf("%+v: %v", got, err)
		}
		change(&h)
		h.put(b)
		if _, err := ReadHeader(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestColumnsBomb: neither the length of the columns nor that of the rows is believed.
func TestColumnsBomb(t *testing.T) {
	sealed := sealColumns(t, 40)
	h, err := ReadHeader(sealed)
	if err != nil {
		t.Fatal(err)
	}
	h.Raw = column.MaxBlock
	h.put(sealed)
	binary.BigEndian.PutUint32(sealed[HeaderSize:], column.MaxBlock)
	took := allocated(func() {
		if _, _, err := Open(sealed, nil); !errors.Is(err, ErrCorrupt) {
			t.Errorf("bomb: %v", err)
		}
	})
	if took > 16<<20 {
		t.Errorf("Open took %d bytes", took)
	}
	binary.BigEndian.PutUint32(sealed[HeaderSize:], 1<<32-1)
	if _, _, err := Open(sealed, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("columns of 4 GiB: %v", err)
	}
}

func TestNoAllocationInColumns(t *testing.T) {
	raw, p, l := copyRows(5000), NewPacker(), layout()
	var sealed, back []byte
	round := func() {
		for _, layout := range []*column.Layout{l, nil} {
			sealed = p.Seal(sealed[:0], Header{Kind: Rows}, raw, Default, layout)
			_, back, _ = Open(sealed, back)
		}
	}
	round()
	if n := testing.AllocsPerRun(50, round); n >= 1 && !raceDetector {
		t.Fatalf("%v allocations per frame", n)
	}
}

// TestGoldenColumns: a frame in column order must open for ever.
func TestGoldenColumns(t *testing.T) {
	golden := readGolden(t, "testdata/columns.hex")
	h, back, err := Open(golden[0], nil)
	if err != nil || h.Encoding != Columns || h.Seq != 9 || !bytes.Equal(back, copyRows(40)) {
		t.Errorf("%+v, %v; it would be sealed as\n%x", h, err, sealColumns(t, 40))
	}
}

func TestLevels(t *testing.T) {
	for _, l := range []Level{Off, Fastest, Default} {
		if got, err := ParseLevel(l.String()); err != nil || got != l {
			t.Errorf("%v is read as %v: %v", l, got, err)
		}
	}
	if _, err := ParseLevel("best"); err == nil {
		t.Error("best is a level")
	}
	if s := Level(9).String(); s != "level 9" {
		t.Error(s)
	}
}

// FuzzColumns feeds what turns columns into rows, behind the digest.
func FuzzColumns(f *testing.F) {
	for _, n := range []int{20, 400} {
		f.Add(sealColumns(f, n)[HeaderSize:], len(copyRows(n)))
	}
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		size &= 1<<22 - 1
		raw, err := inRows(nil, b, size)
		if err == nil && len(raw) != size || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d bytes for %d: %v", len(raw), size, err)
		}
	})
}
