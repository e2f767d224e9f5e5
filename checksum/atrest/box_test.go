package atrest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBox: what was sealed comes back, and only with the same key, purpose, material and context.
func TestBox(t *testing.T) {
	k := New(secretOf(1))
	b := k.Box("p", []byte("m"))
	for _, n := range []int{0, 1, 15, 16, 17, 1000, 1 << 20} {
		plain := bytes.Repeat([]byte("x"), n)
		sealed := b.Seal([]byte("before"), plain, []byte("context"))[len("before"):]
		if len(sealed) != n+Overhead {
			t.Fatalf("%d bytes become %d", n, len(sealed))
		}
		got, err := k.Box("p", []byte("m")).Open([]byte("dst"), slices.Clone(sealed), []byte("context"))
		if err != nil || string(got[:3]) != "dst" || !bytes.Equal(got[3:], plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		for what, other := range map[string]*Box{
			"key": New(secretOf(2)).Box("p", []byte("m")), "purpose": k.Box("q", []byte("m")), "material": k.Box("p", []byte("n")),
		} {
			if _, err := other.Open(nil, slices.Clone(sealed), []byte("context")); !errors.Is(err, ErrAuth) {
				t.Errorf("with another %s: %v", what, err)
			}
		}
		if _, err := b.Open(nil, slices.Clone(sealed), []byte("contexT")); !errors.Is(err, ErrAuth) {
			t.Errorf("in another context: %v", err)
		}
	}
}

// TestEveryBitCounts: no byte of a sealed message can be changed, cut or added.
func TestEveryBitCounts(t *testing.T) {
	b := New(secretOf(1)).Box("p", nil)
	sealed := b.Seal(nil, []byte("a row of a patient"), nil)
	for at := range len(sealed) * 8 {
		bad := slices.Clone(sealed)
		bad[at/8] ^= 1 << (at % 8)
		if _, err := b.Open(nil, bad, nil); !errors.Is(err, ErrAuth) {
			t.Fatalf("bit %d: %v", at, err)
		}
	}
	for n := range len(sealed) {
		if _, err := b.Open(nil, slices.Clone(sealed[:n]), nil); !errors.Is(err, ErrAuth) {
			t.Fatalf("cut to %d: %v", n, err)
		}
	}
	if _, err := b.Open(nil, append(slices.Clone(sealed), 0), nil); !errors.Is(err, ErrAuth) {
		t.Fatal("a byte more")
	}
}

// TestInPlace: dst may end where the message begins; the change log spares itself buffers that way.
func TestInPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := New(secretOf(1)).Box("p", nil)
	for range 200 {
		head, plain := []byte("forty bytes of header"), make([]byte, r.IntN(5000))
		for i := range plain {
			plain[i] = byte(r.Uint32())
		}
		whole := slices.Concat(head, plain)
		whole = slices.Grow(whole, r.IntN(2*Overhead)) // with and without room for what is added
		sealed := b.Seal(whole[:len(head)], whole[len(head):], whole[:len(head)])
		got, err := b.Open(sealed[:len(head)], sealed[len(head):], sealed[:len(head)])
		if err != nil || !bytes.Equal(got, slices.Concat(head, plain)) {
			t.Fatalf("%d bytes: %v", len(plain), err)
		}
	}
}

// TestNothingRepeats: the same message sealed again shares no bytes with the first, and sums of
// different purposes have nothing in common.
func TestNothingRepeats(t *testing.T) {
	k := New(secretOf(1))
	seen := map[[8]byte]bool{}
	note := func(b []byte) {
		if at := [8]byte(b); seen[at] {
			t.Fatalf("%x comes twice", b)
		} else {
			seen[at] = true
		}
	}
	for range 1000 {
		sealed := k.Box("p", nil).Seal(nil, make([]byte, 64), nil)
		for at := 0; at+8 <= len(sealed); at += 8 {
			note(sealed[at:])
		}
	}
	for _, key := range []*Key{k, New(secretOf(2))} {
		for _, purpose := range []string{"p", "q", ""} {
			for _, material := range []string{"", "m", "n"} {
				sum := key.Sum(purpose, []byte(material))
				note(sum[:])
			}
		}
	}
}

func BenchmarkBox(b *testing.B) {
	box := New(secretOf(1)).Box("p", nil)
	whole := make([]byte, 40+1<<20, 40+1<<20+Overhead)
	b.SetBytes(1 << 20)
	for b.Loop() {
		sealed := box.Seal(whole[:40], whole[40:], whole[:40])
		var err error
		if whole, err = box.Open(sealed[:40], sealed[40:], sealed[:40]); err != nil {
			b.Fatal(err)
		}
	}
}
