package wal

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSnapshotSees(t *testing.T) {
	for _, c := range []struct {
		name, snapshot string
		xid            uint32
		want           bool
	}{
		{"before xmin", "100:110:103,105", 99, true},
		{"xmin itself is running", "100:110:100,105", 100, false},
		{"between and not running", "100:110:103,105", 104, true},
		{"running", "100:110:103,105", 105, false},
		{"xmax is not yet", "100:110:103,105", 110, false},
		{"beyond", "100:110:", 4000, false},
		{"none running", "100:100:", 99, true},
		{"epoch: before", "12884901988:12884901998:12884901990", 99, true},    // xmin = 3<<32 + 100
		{"epoch: running", "12884901988:12884901998:12884901990", 102, false}, // 3<<32 + 102
		{"epoch: xid of the epoch before", "12884901898:12884901908:", 4294967295, true},
		{"epoch: wraps between snapshot and change", "12884901880:12884901887:", 5, false},
	} {
		s, err := ParseSnapshot(c.snapshot)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Sees(c.xid); got != c.want {
			t.Errorf("%s: %s sees %d: %v, want %v", c.name, c.snapshot, c.xid, got, c.want)
		}
	}
}

// TestSnapshotSeesAsDefined holds Sees against the definition for random snapshots near a wraparound.
func TestSnapshotSeesAsDefined(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20000 {
		base := uint64(5)<<32 - 50 + r.Uint64N(100)
		s := Snapshot{Xmin: base, Xmax: base + r.Uint64N(20)}
		for x := s.Xmin; x < s.Xmax; x++ {
			if r.IntN(3) == 0 {
				s.Xip = append(s.Xip, x)
			}
		}
		x := base - 30 + r.Uint64N(80)
		want := x < s.Xmin || x < s.Xmax && !slices.Contains(s.Xip, x)
		if got := s.Sees(uint32(x)); got != want {
			t.Fatalf("%s sees %d: %v, want %v", s, x, got, want)
		}
		back, err := ParseSnapshot(s.String())
		if err != nil || back.String() != s.String() {
			t.Fatalf("%s came back as %s, %v", s, back, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "1:2", "a:2:", "1:b:", "1:2:x", "1:2:3,"} {
		if _, err := ParseSnapshot(s); err == nil {
			t.Errorf("snapshot %q was taken", s)
		}
	}
	for _, s := range []string{"", "0", "g/0", "0/g", "1/100000000"} {
		if _, err := ParseLSN(s); err == nil {
			t.Errorf("LSN %q was taken", s)
		}
	}
	if l, err := ParseLSN("16/B374D848"); err != nil || l.String() != "16/B374D848" {
		t.Errorf("LSN came back as %s, %v", l, err)
	}
}
