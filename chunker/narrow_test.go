package chunker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"replicator/checksum"
	"replicator/chunker"
)

// memory is a side without a database: rows by key.
type memory struct {
	rows   map[string]string
	copies map[string]int // of a row, where more than one
	hashes []checksum.RowHash
	passes int
}

func (m *memory) each(of checksum.Selection, row func(checksum.RowHash)) {
	m.passes++
	h := checksum.NewRowHasher(checksum.Secret{})
	if m.hashes == nil {
		for k, v := range m.rows {
			for range max(1, m.copies[k]) {
				m.hashes = append(m.hashes, checksum.RowHash{Key: h.Key([]byte(k)), Row: h.Row([]byte(k + v))})
			}
		}
	}
	for _, r := range m.hashes {
		if of.Holds(r.Key) {
			row(r)
		}
	}
}

func (m *memory) Fingerprint(_ context.Context, of checksum.Selection) (*checksum.Fingerprint, error) {
	f := checksum.NewFingerprint(checksum.Secret{}, of)
	m.each(of, func(r checksum.RowHash) { f.Add(r, 1) })
	return f, nil
}

func (m *memory) Rows(_ context.Context, of checksum.Selection, limit int) (*checksum.Rows, error) {
	list := checksum.NewRows(checksum.Secret{})
	m.each(of, func(r checksum.RowHash) { list.Add(r) })
	if list.Len() > limit {
		return nil, chunker.ErrTooMany
	}
	return list, nil
}

// sides are two copies of n rows, of which every stride-th differs.
func memorySides(n, stride int) (src, tgt *memory, differ int) {
	src, tgt = &memory{rows: map[string]string{}}, &memory{rows: map[string]string{}}
	for i := range n {
		key := fmt.Sprint(i)
		src.rows[key], tgt.rows[key] = "same", "same"
		if i%stride == 0 {
			tgt.rows[key] = "other"
			differ++
		}
	}
	return src, tgt, differ
}

func narrow(t *testing.T, src, tgt *memory, limit int) (chunker.Narrowed, error) {
	t.Helper()
	a, _ := src.Fingerprint(t.Context(), nil)
	b, _ := tgt.Fingerprint(t.Context(), nil)
	return chunker.Narrow(t.Context(), src, tgt, nil, a, b, limit)
}

// TestNarrowTakesFewPasses: a few differences among many rows are found whatever the limit, in one
// pass more where the buckets hold too many; where nearly all differ, some are named, and that it is some.
func TestNarrowTakesFewPasses(t *testing.T) {
	t.Parallel()
	const rows = 100000 // about 24 a bucket
	for _, c := range []struct {
		stride, limit, passes int
		complete              bool
	}{
		{rows, 1000, 2, true},
		{rows, 10, 3, true}, // a single bucket is too many
		{2000, 10000, 2, true},
		{2000, 1000, 3, true}, // 100 differ
		{2, 1000, 2, false},
		{1, 10, 3, false},
		{1, rows, 2, true},
	} {
		src, tgt, differ := memorySides(rows, c.stride)
		n, err := narrow(t, src, tgt, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if n.Complete != c.complete || src.passes != c.passes || tgt.passes != c.passes {
			t.Errorf("every %d, limit %d: complete %v after %d passes", c.stride, c.limit, n.Complete, src.passes)
		}
		if found := len(n.Differences); found == 0 || found > differ || n.Complete && found != differ {
			t.Errorf("every %d, limit %d: %d of %d differences", c.stride, c.limit, found, differ)
		}
		if n.Buckets == 0 || n.SourceRows < int64(min(differ, rows)) || n.SourceRows != n.TargetRows {
			t.Errorf("every %d, limit %d: counts %+v", c.stride, c.limit, n)
		}
	}
}

// TestNarrowGivesUp on more copies of one row than may be listed.
func TestNarrowGivesUp(t *testing.T) {
	t.Parallel()
	src, tgt, _ := memorySides(1000, 1001)
	tgt.rows["0"] = "same"
	src.copies, tgt.copies = map[string]int{"7": 5000}, map[string]int{"7": 5001}
	n, err := narrow(t, src, tgt, 100)
	if err != nil || n.Complete || len(n.Differences) != 0 || n.Buckets != 1 || n.TargetRows != n.SourceRows+1 {
		t.Fatalf("%+v, %v", n, err)
	}
	if src.passes > 1+checksum.Levels {
		t.Errorf("after %d passes", src.passes)
	}
}

// TestNarrowSeesMoves: what differed a moment ago and now does not was written to.
func TestNarrowSeesMoves(t *testing.T) {
	t.Parallel()
	src, tgt, _ := memorySides(1000, 500)
	still, _, _ := memorySides(1000, 500)
	a, _ := src.Fingerprint(t.Context(), nil)
	b, _ := tgt.Fingerprint(t.Context(), nil)
	for _, limit := range []int{1000, 0} {
		if _, err := chunker.Narrow(t.Context(), src, still, nil, a, b, limit); !errors.Is(err, chunker.ErrMoved) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}
