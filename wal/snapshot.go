package wal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Snapshot is what pg_current_snapshot() shows: which transactions a read has seen.
// All ids are 64-bit (epoch and xid); Xip is sorted and lies within [Xmin, Xmax).
type Snapshot struct {
	Xmin, Xmax uint64
	Xip        []uint64
}

// ParseSnapshot reads the text form xmin:xmax:xip,xip,... of pg_snapshot.
func ParseSnapshot(s string) (Snapshot, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return Snapshot{}, fmt.Errorf("parse snapshot %q: want xmin:xmax:xip", s)
	}
	var snap Snapshot
	var err error
	if snap.Xmin, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return Snapshot{}, fmt.Errorf("parse snapshot xmin: %w", err)
	}
	if snap.Xmax, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return Snapshot{}, fmt.Errorf("parse snapshot xmax: %w", err)
	}
	if parts[2] == "" {
		return snap, nil
	}
	for x := range strings.SplitSeq(parts[2], ",") {
		id, err := strconv.ParseUint(x, 10, 64)
		if err != nil {
			return Snapshot{}, fmt.Errorf("parse snapshot xip: %w", err)
		}
		snap.Xip = append(snap.Xip, id)
	}
	slices.Sort(snap.Xip)
	return snap, nil
}

// String gives the text form of pg_snapshot.
func (s Snapshot) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d:", s.Xmin, s.Xmax)
	for i, x := range s.Xip {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(x, 10))
	}
	return b.String()
}

// IsZero reports whether s was never taken.
func (s Snapshot) IsZero() bool { return s.Xmax == 0 }

// Sees is the visibility rule of invariant I3: whether the transaction whose 32-bit
// top-level id is xid (as pgoutput's Begin carries it) had committed when s was taken,
// given that it did commit. The id is widened to the 64-bit id nearest to Xmax: no
// transaction that is still in the change log is 2^31 away from a snapshot of the same job,
// because the server stops long before that (wraparound protection).
func (s Snapshot) Sees(xid uint32) bool {
	x := s.widen(xid)
	if x < s.Xmin {
		return true
	}
	if x >= s.Xmax {
		return false
	}
	_, running := slices.BinarySearch(s.Xip, x)
	return !running
}

func (s Snapshot) widen(xid uint32) uint64 {
	return uint64(int64(s.Xmax) + int64(int32(xid-uint32(s.Xmax))))
}

// MarshalText gives the text form of pg_snapshot.
func (s Snapshot) MarshalText() ([]byte, error) {
	if s.IsZero() {
		return nil, nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads the text form of pg_snapshot; empty text is the zero snapshot.
func (s *Snapshot) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*s = Snapshot{}
		return nil
	}
	v, err := ParseSnapshot(string(b))
	if err != nil {
		return err
	}
	*s = v
	return nil
}
