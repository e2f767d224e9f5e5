package largeobject_test

import (
	"math"
	"testing"

	"replicator/replicator/largeobject"
)

// TestCut wants ranges of about the same weight that cover every OID once, and no large object in
// company for long.
func TestCut(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t, 15))
	if got, err := largeobject.Cut(t.Context(), conn, largeobject.All); err != nil || len(got) != 1 || got[0] != largeobject.All {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	execute(t, conn, `SELECT lo_create(i) FROM generate_series(10, 3009) i; SELECT lo_create(4000000000); SELECT lo_put(1500, 200000000, 'x'), lo_put(4000000000, 0, 'x')`)
	ranges, err := largeobject.Cut(t.Context(), conn, largeobject.All)
	if err != nil {
		t.Fatal(err)
	}
	mustCover(t, ranges, largeobject.All)
	if len(ranges) < 4 || len(ranges) > 8 {
		t.Errorf("%d ranges", len(ranges))
	}
	for _, r := range ranges {
		a := read(t, conn, largeobject.Ask{Range: r})
		if n := len(a.Objects); n > 1000 {
			t.Errorf("%d objects in %v", n, r)
		}
	}
	inner, err := largeobject.Cut(t.Context(), conn, largeobject.Range{From: 100, To: 2500})
	if err != nil {
		t.Fatal(err)
	}
	mustCover(t, inner, largeobject.Range{From: 100, To: 2500})
}

func mustCover(t *testing.T, ranges []largeobject.Range, all largeobject.Range) {
	t.Helper()
	next := uint64(all.From)
	for _, r := range ranges {
		if uint64(r.From) != next || r.To < r.From {
			t.Fatalf("%v: gap or overlap at %v", ranges, r)
		}
		next = uint64(r.To) + 1
	}
	if next != uint64(all.To)+1 {
		t.Fatalf("%v end before %d", ranges, all.To)
	}
}

func TestJoin(t *testing.T) {
	proof := &largeobject.Proof{}
	part := func(from, to uint32, weight int64) largeobject.Part {
		return largeobject.Part{Range: largeobject.Range{From: from, To: to}, Weight: weight, Proof: proof}
	}
	got := largeobject.Join([]largeobject.Part{part(0, 9, 100), part(10, 19, 0), part(20, 29, largeobject.Limit), part(30, 39, 0), part(40, math.MaxUint32, -1)})
	want := []largeobject.Part{part(0, 19, 100), part(20, 29, largeobject.Limit), part(30, 39, 0), part(40, math.MaxUint32, -1)}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i].Range != want[i].Range || got[i].Weight != want[i].Weight || (got[i].Proof == nil) != (i == 0) {
			t.Errorf("part %d is %+v", i, got[i])
		}
	}
}

// TestBatches wants every object in one batch, and none too large but of one large object.
func TestBatches(t *testing.T) {
	var d largeobject.Difference
	for i := range uint32(600) {
		d.Remove = append(d.Remove, i)
		d.Alter = append(d.Alter, largeobject.Object{OID: 1000 + i})
		d.Write = append(d.Write, largeobject.Object{OID: 2000 + i, Size: 1 << 20})
	}
	d.Write = append(d.Write, largeobject.Object{OID: 5000, Size: 1 << 40}, largeobject.Object{OID: 5001})
	removed, altered, written := 0, 0, 0
	for _, b := range d.Batches() {
		removed, altered, written = removed+len(b.Remove), altered+len(b.Alter), written+len(b.Write)
		bytes := int64(0)
		for _, o := range b.Write {
			bytes += o.Size
		}
		n := len(b.Remove) + len(b.Alter) + len(b.Write)
		if n == 0 || n > 250 || bytes > 32<<20 && len(b.Write) > 1 {
			t.Errorf("a batch of %d objects, %d bytes", n, bytes)
		}
	}
	if removed != 600 || altered != 600 || written != 602 {
		t.Errorf("%d removed, %d altered, %d written", removed, altered, written)
	}
	if (&largeobject.Difference{}).Batches() != nil {
		t.Error("a batch of nothing")
	}
}
