package pgoutput_test

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"replicator/wal/pgoutput"
)

// golden is every golden message of every version and mode.
func golden(t testing.TB) []message {
	t.Helper()
	var all []message
	for _, version := range versions {
		for _, mode := range modes {
			all = append(all, readGolden(t, version, mode)...)
		}
	}
	return all
}

// TestNoAllocations: rows, begins, commits, truncates and repeated logical messages cost nothing
// once the slices have grown.
func TestNoAllocations(t *testing.T) {
	var msgs []message
	for _, m := range golden(t) {
		if strings.IndexByte("RYO", pgoutput.Kind(m.data)) < 0 && !(pgoutput.Kind(m.data) == 'M' && m.data[10] == 0) {
			msgs = append(msgs, m)
		}
	}
	var m pgoutput.Message
	decode := func() {
		for _, raw := range msgs {
			if err := pgoutput.Decode(raw.data, &m); err != nil {
				t.Fatal(err)
			}
		}
	}
	decode()
	if n := testing.AllocsPerRun(10, decode); n != 0 {
		t.Errorf("%v allocations for %d messages", n, len(msgs))
	}
}

// TestCutAndLong: every golden message, cut anywhere or a byte too long, is corrupt.
func TestCutAndLong(t *testing.T) {
	var m pgoutput.Message
	for _, raw := range golden(t) {
		for n := range raw.data {
			if err := pgoutput.Decode(raw.data[:n:n], &m); !errors.Is(err, pgoutput.ErrCorrupt) {
				t.Fatalf("%c cut to %d of %d bytes: %v", raw.data[0], n, len(raw.data), err)
			}
		}
		if err := pgoutput.Decode(append(slices.Clone(raw.data), 0), &m); !errors.Is(err, pgoutput.ErrCorrupt) {
			t.Fatalf("%c and a byte: %v", raw.data[0], err)
		}
	}
}

func TestCorrupt(t *testing.T) {
	for name, in := range map[string]string{
		"empty":                           "",
		"unknown kind":                    "78",
		"two-phase kind":                  "50",
		"commit flags":                    "4301" + strings.Repeat("00", 24),
		"tuple columns beyond the end":    "49000000014effff6e",
		"value beyond the end":            "49000000014e000174ffffffff61",
		"value size overflows":            "49000000014e0001627fffffff61",
		"unknown value kind":              "49000000014e000178",
		"old where new must be":           "49000000014b00016e",
		"update without new":              "55000000014b00016e",
		"update with two old":             "55000000014b00016e4b00016e",
		"delete with new":                 "44000000014e00016e",
		"truncate count beyond the end":   "54ffffffff0000000001",
		"truncate options":                "54000000010400000001",
		"message flags":                   "4d02" + "0000000000000001" + "6100" + "00000000",
		"message size beyond the end":     "4d01" + "0000000000000001" + "6100" + "ffffffff61",
		"message prefix without end":      "4d01" + "0000000000000001" + "616161",
		"relation identity":               "5200000001" + "6100" + "6200" + "78" + "0000",
		"relation columns beyond the end": "5200000001" + "6100" + "6200" + "64" + "ffff" + "00610000000017ffffffff",
		"stream start flags":              "53" + "00000007" + "02",
		"column flags":                    "5200000001" + "6100" + "6200" + "64" + "0001" + "02610000000017ffffffff",
	} {
		t.Run(name, func(t *testing.T) {
			var m pgoutput.Message
			if err := pgoutput.Decode(unhex(t, in), &m); !errors.Is(err, pgoutput.ErrCorrupt) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// TestStreamControl: what stands around blocks, and what ends a streamed transaction.
func TestStreamControl(t *testing.T) {
	commit := pgoutput.Commit{CommitLSN: 1, EndLSN: 2}
	for in, want := range map[string]pgoutput.Stream{
		"53" + "00000007" + "01":       {XID: 7, First: true},
		"53" + "00000007" + "00":       {XID: 7},
		"45":                           {},
		"41" + "00000007" + "00000009": {XID: 7, SubXID: 9},
		"63" + "00000007" + "00" + "0000000000000001" + "0000000000000002" + "0000000000000003": {XID: 7},
	} {
		var m pgoutput.Message
		if err := pgoutput.Decode(unhex(t, in), &m); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if m.Stream != want {
			t.Errorf("%s: got %+v, want %+v", in, m.Stream, want)
		}
		if m.Commit.Time = commit.Time; m.Kind == 'c' && m.Commit != commit {
			t.Errorf("stream commit: got %+v", m.Commit)
		}
	}
}

// TestEmptySchema: pg_catalog travels as nothing.
func TestEmptySchema(t *testing.T) {
	var m pgoutput.Message
	if err := pgoutput.Decode(unhex(t, "5200000001"+"00"+"6200"+"64"+"0000"), &m); err != nil {
		t.Fatal(err)
	}
	if m.Relation.Schema != "pg_catalog" || m.Relation.Name != "b" {
		t.Errorf("got %+v", m.Relation)
	}
}

// TestReuse: nothing of the message before is left over.
func TestReuse(t *testing.T) {
	var m pgoutput.Message
	for _, in := range []string{
		"55000000014b00026e6e4e00026e75",                         // update, two columns, key
		"5200000001" + "6100" + "6200" + "64" + "0000",           // relation
		"54000000020300000001000000ff",                           // truncate
		"4d01" + "0000000000000001" + "6100" + "00000001" + "61", // logical message
		"49000000024e00016e",                                     // insert, one column
	} {
		if err := pgoutput.Decode(unhex(t, in), &m); err != nil {
			t.Fatalf("%s: %v", in, err)
		}
	}
	if m.OldKind != 0 || len(m.Old) != 0 || len(m.New) != 1 || m.Relation != nil || m.RelationID != 2 ||
		len(m.Relations) != 0 || m.Content != nil {
		t.Errorf("left over: %+v", m)
	}
}

// TestPeekShort: peeking never reads past the end.
func TestPeekShort(t *testing.T) {
	for _, raw := range golden(t) {
		for n := range raw.data {
			b := raw.data[:n:n]
			if _, ok := pgoutput.BeginFinal(b); ok {
				t.Fatalf("begin of %d bytes", n)
			}
			if _, ok := pgoutput.CommitEnd(b); ok {
				t.Fatalf("commit of %d bytes", n)
			}
			if _, ok := pgoutput.RelationID(b); ok && n < 5 {
				t.Fatalf("relation id in %d bytes", n)
			}
		}
	}
}

// FuzzDecode: no input panics, and what decodes is consistent with the input's size.
func FuzzDecode(f *testing.F) {
	for _, raw := range golden(f) {
		if len(raw.data) < 4096 {
			f.Add(raw.data)
		}
	}
	var m pgoutput.Message
	f.Fuzz(func(t *testing.T, b []byte) {
		err := pgoutput.Decode(b, &m)
		if cap(m.Old)+cap(m.New) > 8*65536 {
			t.Fatalf("%d values kept after %d bytes", cap(m.Old)+cap(m.New), len(b))
		}
		if err != nil {
			if !errors.Is(err, pgoutput.ErrCorrupt) {
				t.Fatalf("error of another class: %v", err)
			}
			return
		}
		size := len(m.Content)
		for _, tuple := range [][]pgoutput.Value{m.Old, m.New} {
			for _, v := range tuple {
				size += 1 + len(v.Data)
			}
		}
		if size > len(b) {
			t.Fatalf("%d bytes of values out of %d", size, len(b))
		}
		pgoutput.BeginFinal(b)
		pgoutput.CommitEnd(b)
		pgoutput.RelationID(b)
	})
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
