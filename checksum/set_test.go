package checksum

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seeded gives a generator whose seed is printed when the test fails, and replayed from REPLICATOR_SEED.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s, err := strconv.ParseUint(os.Getenv("REPLICATOR_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("REPLICATOR_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomRows(rng *rand.Rand, n int) [][]byte {
	rows := make([][]byte, n)
	for i := range rows {
		rows[i] = make([]byte, rng.IntN(200))
		for k := range rows[i] {
			rows[i][k] = byte(rng.Uint32())
		}
	}
	return rows
}

func setOf(rows ...[]byte) Set {
	var s Set
	for _, r := range rows {
		s.Add(r)
	}
	return s
}

func TestSetIgnoresOrder(t *testing.T) {
	rng := seeded(t)
	rows := randomRows(rng, 500)
	want := setOf(rows...)
	rng.Shuffle(len(rows), func(i, k int) { rows[i], rows[k] = rows[k], rows[i] })
	cut := rng.IntN(len(rows))
	got := setOf(rows[:cut]...)
	got.Merge(setOf(rows[cut:]...))
	if !got.Equal(want) {
		t.Fatalf("shuffled and merged: %s, want %s", got, want)
	}
	for _, r := range rows {
		got.Remove(r)
	}
	if got != (Set{}) {
		t.Fatalf("all rows removed leave %s", got)
	}
}

func TestSetSeesEveryDifference(t *testing.T) {
	base := [][]byte{[]byte("a"), []byte("bc"), []byte("bc"), []byte("")}
	want := setOf(base...)
	for name, rows := range map[string][][]byte{
		"row missing":        base[:3],
		"row twice":          append(base[:4:4], []byte("a")),
		"duplicate missing":  {[]byte("a"), []byte("bc"), []byte("")},
		"duplicate of other": {[]byte("a"), []byte("a"), []byte("bc"), []byte("")},
		"bytes moved":        {[]byte("ab"), []byte("c"), []byte("bc"), []byte("")},
		"bit flipped":        {[]byte("a"), []byte("bb"), []byte("bc"), []byte("")},
	} {
		if got := setOf(rows...); got.Equal(want) {
			t.Errorf("%s: not seen", name)
		}
	}
}

// TestSetCarries adds the same row often enough that every limb overflows.
func TestSetCarries(t *testing.T) {
	one := setOf([]byte("row"))
	var doubled Set
	doubled.Merge(one)
	for range 300 {
		doubled.Merge(doubled)
	}
	doubled.Rows, doubled.Bytes = 0, 0
	if doubled.sum != ([4]uint64{}) {
		t.Fatalf("2^300 times a row is %v mod 2^256, want 0", doubled.sum)
	}
	var s Set
	s.Remove([]byte("row"))
	s.Merge(one)
	if s != (Set{}) {
		t.Fatalf("borrow through all limbs: %s", s)
	}
}

func TestSetText(t *testing.T) {
	s := setOf([]byte("a"), []byte("bcd"))
	const want = `"2:4:`
	b, err := json.Marshal(s)
	if err != nil || string(b[:len(want)]) != want {
		t.Fatalf("marshal: %s, %v", b, err)
	}
	var back Set
	if err := json.Unmarshal(b, &back); err != nil || back != s {
		t.Fatalf("unmarshal: %s, %v", back, err)
	}
	for _, bad := range []string{"", "1:2", "x:2:00", "1:2:00", fmt.Sprintf("1:y:%064d", 0), s.String() + "0"} {
		if _, err := ParseSet(bad); err == nil {
			t.Errorf("ParseSet(%q) is no error", bad)
		}
	}
}

func TestSetAddDoesNotAllocate(t *testing.T) {
	var s Set
	row := make([]byte, 300)
	if n := testing.AllocsPerRun(100, func() { s.Add(row) }); n != 0 {
		t.Fatalf("Add allocates %v times", n)
	}
}

func BenchmarkSetAdd(b *testing.B) {
	var s Set
	row := make([]byte, 200)
	b.SetBytes(int64(len(row)))
	for b.Loop() {
		s.Add(row)
	}
}
