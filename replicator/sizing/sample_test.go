package sizing

import (
	"testing"

	"replicator/chunker"
)

// TestSampleIsEven: every beginning of a sample covers tables by their size and each from end to end.
func TestSampleIsEven(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 64, 1000} {
		seen := make([]bool, n)
		for i := range n {
			seen[spread(i, n)] = true
		}
		for r, ok := range seen {
			if !ok {
				t.Fatalf("of %d chunks none has rank %d", n, r)
			}
		}
	}
	// In the first tenth of 1000 chunks no tenth of the table is left out.
	parts := map[int]int{}
	for i := range 1000 {
		if spread(i, 1000) < 100 {
			parts[i/100]++
		}
	}
	for p := range 10 {
		if parts[p] < 5 {
			t.Errorf("part %d of the table has %d of the first 100 chunks", p, parts[p])
		}
	}
}

// TestSampleOfAHugeTable is bounded, and knows what part of it a chunk is.
func TestSampleOfAHugeTable(t *testing.T) {
	table := &chunker.Table{Pages: 1 << 31, Bytes: 1 << 44, Rows: 1 << 37} // 16 TB
	chunks, of, err := cut(t.Context(), nil, table, 4<<20)
	if err != nil || len(chunks) != mostPieces || of != 1<<22 {
		t.Fatalf("%d chunks of %d: %v", len(chunks), of, err)
	}
	for i := range chunks {
		if pages := chunks[i].Last - chunks[i].First; pages != 512 {
			t.Fatalf("chunk %d has %d pages", i, pages)
		}
	}
	if last := chunks[mostPieces-1]; last.Last > table.Pages {
		t.Errorf("beyond the end: %+v", last)
	}
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		want  Kind
		pages int64
		bytes int64
		rows  int64
	}{
		{Small, 10, 10 * pageBytes, 100},
		{Narrow, 10_000, 10_000 * pageBytes, 1_000_000},
		{Wide, 10_000, 10_000 * pageBytes, 10_000},
		{Wide, 10_000, 10_000 * pageBytes, -1}, // nobody has counted
		{Toast, 1_000, 10_000 * pageBytes, 1_000_000},
	} {
		if got := kindOf(&chunker.Table{Pages: c.pages, Bytes: c.bytes, Rows: c.rows}); got != c.want {
			t.Errorf("%+v is %s", c, got)
		}
	}
}

func TestTurns(t *testing.T) {
	rows := []rowSample{{table: &chunker.Table{Bytes: 900}, rows: make([]byte, 100)}, {table: &chunker.Table{Bytes: 100}, rows: make([]byte, 100)}}
	turn := newTurns(rows)
	got := [2]int{}
	for range 100 {
		got[turn.next()]++
	}
	if got != [2]int{90, 10} {
		t.Errorf("%v, want 90 and 10", got)
	}
}

func TestFills(t *testing.T) {
	n, wire := fills([]Point{{Connections: 1, Rate: 50}, {Connections: 2, Rate: 97}, {Connections: 4, Rate: 100}, {Connections: 8, Rate: 98}})
	if n != 2 || wire != 100 {
		t.Errorf("%d streams fill %v", n, wire)
	}
}
