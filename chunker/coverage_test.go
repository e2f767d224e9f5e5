package chunker

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"replicator/wal"
)

func int8Wire(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

// cutAt makes a table that is cut at these keys, and receipts with distinguishable snapshots.
func cutAt(keys []int64) (*Table, []Chunk, []Receipt) {
	t := &Table{Schema: "s", Name: "t", Columns: []Column{{Name: "id", Type: "bigint", OID: oidInt8}}, Key: []string{"id"}, Identity: IdentityKey}
	bounds := make([]Bound, len(keys))
	for i, k := range keys {
		bounds[i] = Bound{Text: fmt.Sprint(k), Wire: hex.EncodeToString(int8Wire(k))}
	}
	chunks := ranges(t, bounds)
	receipts := make([]Receipt, len(chunks))
	for i := range receipts {
		receipts[i] = Receipt{Chunk: i, Snapshot: wal.Snapshot{Xmin: uint64(100 + i), Xmax: uint64(100 + i)}}
	}
	return t, chunks, receipts
}

// TestCoverageFindsChunk asks for random keys, in both wire formats, and compares with a linear search.
func TestCoverageFindsChunk(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		keys := map[int64]bool{}
		for range 1 + r.IntN(20) {
			keys[int64(r.Uint64N(200))-100] = true
		}
		sorted := []int64{}
		for k := range keys {
			sorted = append(sorted, k)
		}
		slices.Sort(sorted)
		tab, chunks, receipts := cutAt(sorted)
		cover, err := NewCoverage(tab, chunks, receipts)
		if err != nil {
			t.Fatal(err)
		}
		for key := int64(-120); key < 120; key++ {
			want := 0
			for _, b := range sorted {
				if key >= b {
					want++
				}
			}
			got, err := cover.Chunk(int8Wire(key), false)
			text, terr := cover.Chunk([]byte(fmt.Sprint(key)), true)
			if err != nil || terr != nil || got != want || text != want {
				t.Fatalf("bounds %v: key %d lies in %d (text %d), want %d; %v %v", sorted, key, got, text, want, err, terr)
			}
			if !cover.Sees(got, uint32(99+got)) || cover.Sees(got, uint32(100+got)) {
				t.Fatalf("chunk %d judges by another chunk's snapshot", got)
			}
		}
	}
}

// TestCoverageWantsEveryReceipt: a chunk that was not read cannot judge.
func TestCoverageWantsEveryReceipt(t *testing.T) {
	tab, chunks, receipts := cutAt([]int64{1, 2})
	if _, err := NewCoverage(tab, chunks, receipts[:2]); err == nil {
		t.Error("a missing receipt went unnoticed")
	}
	chunks[1], chunks[2] = chunks[2], chunks[1]
	if _, err := NewCoverage(tab, chunks, receipts); err == nil {
		t.Error("bounds out of order went unnoticed")
	}
}

// TestSortKeyOrders checks the order of binary forms at the edges of each type.
func TestSortKeyOrders(t *testing.T) {
	word := func(bits int, v int64) []byte { return int8Wire(v)[8-bits/8:] }
	for oid, values := range map[uint32][][]byte{
		oidInt2:        {word(16, -32768), word(16, -1), word(16, 0), word(16, 32767)},
		oidInt4:        {word(32, -1<<31), word(32, -1), word(32, 0), word(32, 1<<31-1)},
		oidInt8:        {word(64, -1<<63), word(64, -1), word(64, 0), word(64, 1<<63-1)},
		oidDate:        {word(32, -1<<31), word(32, -2451545), word(32, 0), word(32, 1<<31-1)}, // -infinity, BC, 2000-01-01, infinity
		oidTimestamptz: {word(64, -1<<63), word(64, -1), word(64, 1), word(64, 1<<63-1)},
		oidUUID:        {make([]byte, 16), append([]byte{0x7f}, make([]byte, 15)...), append([]byte{0x80}, make([]byte, 15)...)},
	} {
		last := ""
		for i, v := range values {
			k, err := sortKey(oid, v)
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && k <= last {
				t.Errorf("type %d: value %d does not sort above the one before", oid, i)
			}
			last = k
		}
	}
	if _, err := sortKey(oidInt8, []byte{1, 2}); err == nil {
		t.Error("a bigint of two bytes was taken")
	}
}

func TestCorrelation(t *testing.T) {
	ordered := make([]sample, 100)
	for i := range ordered {
		ordered[i].key = fmt.Sprintf("%03d", i)
	}
	if c := correlation(ordered); c != 1 {
		t.Errorf("ordered heap: %v", c)
	}
	slices.Reverse(ordered)
	if c := correlation(ordered); c != -1 {
		t.Errorf("reversed heap: %v", c)
	}
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(ordered), func(i, j int) { ordered[i], ordered[j] = ordered[j], ordered[i] })
	if c := correlation(ordered); c > 0.5 || c < -0.5 {
		t.Errorf("random heap: %v", c)
	}
}
