package column

import (
	"bytes"
	"slices"
	"sync"
	"testing"
)

func encoded(raw []byte, l *Layout) bool {
	_, ok := NewEncoder().Encode(nil, raw, l)
	return ok
}

// TestChoice: the ways that suit observations, and what they gain.
func TestChoice(t *testing.T) {
	rng := random(t)
	raw := observations(rng, 0, 20_000)
	l := NewLayout()
	out := roundTrip(t, raw, l)
	got := l.current.Load().ways
	for c, want := range []way{delta, noWay, delta, dictionary, planes, dictionary, noWay, delta} {
		if want != noWay && got[c] != want {
			t.Errorf("column %d: way %d, want %d", c, got[c], want)
		}
	}
	j, err := newJudge()
	if err != nil {
		t.Fatal(err)
	}
	rows, columns := j.measure(raw), j.measure(out)
	t.Logf("%d bytes: rows %d, columns %d", len(raw), rows, columns)
	if 3*columns > rows {
		t.Errorf("columns take %d bytes where rows take %d", columns, rows)
	}
}

const noWay = ways // any will do

// TestRowOrder: tables that gain nothing are left alone for good.
func TestRowOrder(t *testing.T) {
	rng := random(t)
	var wideRows, random []byte
	for i := range 200 {
		wideRows = appendRow(wideRows, row{number(8, uint64(i)), bytes.Repeat([]byte("words "), 400)})
		random = appendRow(random, row{noise(rng, 500+rng.IntN(100))})
	}
	for name, raw := range map[string][]byte{"wide": wideRows, "random": random} {
		l := NewLayout()
		if encoded(raw, l) || !l.inRows() {
			t.Errorf("%s rows: taken", name)
		}
		if encoded(observations(rng, 0, 1000), l) {
			t.Errorf("%s rows: the choice is forgotten", name)
		}
	}
}

// TestSmallBlocks: a block that is no fair sample does not choose, but is taken once a choice is there.
func TestSmallBlocks(t *testing.T) {
	rng := random(t)
	small, large := observations(rng, 0, 10), observations(rng, 10, 1000)
	l := NewLayout()
	if encoded(small, l) || l.inRows() {
		t.Error("chosen from ten rows")
	}
	roundTrip(t, large, l)
	p := l.current.Load()
	roundTrip(t, small, l)
	if l.current.Load() != p {
		t.Error("chosen anew")
	}
	// A few rows that are wide are left alone without a new choice.
	r := row{nil, nil, nil, noise(rng, 100_000), nil, nil, nil, nil}
	if encoded(tuples(r, r), l) || l.current.Load() != p {
		t.Error("wide rows were taken, or chose anew")
	}
}

// TestChosenAnew: a dictionary is given up once it was too small in two blocks in a row.
func TestChosenAnew(t *testing.T) {
	rng := random(t)
	values := make([][]byte, 5000)
	for i := range values {
		values[i] = noise(rng, 12)
	}
	block := func(values [][]byte) (raw []byte) {
		for i := range 3000 {
			raw = appendRow(raw, row{values[rng.IntN(len(values))], number(4, uint64(i))})
		}
		return raw
	}
	few, many := block(values[:9]), block(values)
	l := NewLayout()
	roundTrip(t, few, l)
	p := l.current.Load()
	if p.ways[0] != dictionary {
		t.Fatalf("way %d", p.ways[0])
	}
	for _, raw := range [][]byte{many, few, many, few} {
		roundTrip(t, raw, l)
	}
	if l.current.Load() != p {
		t.Fatal("given up although it fits again and again")
	}
	if roundTrip(t, many, l); l.current.Load() != p {
		t.Fatal("given up after one block")
	}
	if out, ok := NewEncoder().Encode(nil, many, l); !ok || len(out) == 0 || l.current.Load() != nil {
		t.Fatal("not given up")
	}
	roundTrip(t, few, l)
	if w := l.current.Load().ways; w[0] == dictionary || w[1] != delta {
		t.Errorf("ways %v", w)
	}
	// Another table behind the same layout is a new choice.
	roundTrip(t, observations(rng, 0, 1000), l)
	if w := l.current.Load().ways; len(w) != 8 || w[3] != dictionary {
		t.Errorf("ways %v", w)
	}
}

// TestConcurrent: many encoders choose and give up at a time.
func TestConcurrent(t *testing.T) {
	rng := random(t)
	blocks := [][]byte{observations(rng, 0, 500), audit(rng, 500), observations(rng, 500, 700)}
	l := NewLayout()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			e, d := NewEncoder(), NewDecoder()
			for _, raw := range slices.Concat(blocks[i%3:], blocks, blocks) {
				out, ok := e.Encode(nil, raw, l)
				if !ok {
					continue
				}
				if back, err := d.Decode(nil, out, len(raw)); err != nil || !bytes.Equal(back, raw) {
					t.Errorf("another block comes back: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
