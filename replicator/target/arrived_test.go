package target

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"replicator/checksum/frame"
	"replicator/chunker"
)

// taker is a target end that keeps what it is given.
type taker struct {
	ChunkWriter
	frames [][]byte
}

func (*taker) FrameBytes() int { return 100 }

func (*taker) Seal(seq uint64, room []byte) []byte {
	return frame.SealPlain(room, frame.Header{Kind: frame.Rows, Seq: seq})
}

func (k *taker) Write(_ context.Context, sealed []byte) error {
	k.frames = append(k.frames, slices.Clone(sealed))
	return nil
}

// TestWhatArrives takes the frames of a chunk as a target end does: whole and in order they are the
// receipt's, and no others are.
func TestWhatArrives(t *testing.T) {
	k := &taker{}
	s := NewSealer(t.Context(), k)
	var rows int64
	for ; rows < 40; rows++ {
		if _, err := fmt.Fprintf(s, "row %02d of a chunk\n", rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := &chunker.Receipt{Rows: rows, Bytes: s.Bytes(), Digest: s.Digest()}
	if r.Bytes != 40*18 || len(k.frames) != 8 {
		t.Fatalf("%d bytes in %d frames", r.Bytes, len(k.frames))
	}
	other := frame.Seal(nil, frame.Header{Kind: frame.Rows, Seq: 3}, []byte("another row, another one, another row, another one, another row, another one, another one!"), nil)
	if len(other) != len(k.frames[3]) {
		t.Fatalf("the other frame has %d bytes, not %d", len(other), len(k.frames[3]))
	}
	for name, list := range map[string][][]byte{
		"":         k.frames,
		"one less": k.frames[1:],
		"one more": append(slices.Clone(k.frames), k.frames[7]),
		"swapped":  {k.frames[0], k.frames[2], k.frames[1], k.frames[3], k.frames[4], k.frames[5], k.frames[6], k.frames[7]},
		"twice":    {k.frames[0], k.frames[0], k.frames[2], k.frames[3], k.frames[4], k.frames[5], k.frames[6], k.frames[7]},
		"another":  {k.frames[0], k.frames[1], k.frames[2], other, k.frames[4], k.frames[5], k.frames[6], k.frames[7]},
	} {
		a := newArrived()
		for _, f := range list {
			if _, err := a.open(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.check(r, rows); (err != nil) != (name != "") {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.check(r, rows-1); err == nil {
			t.Errorf("%s: a row less is taken", name)
		}
	}
	k.frames[5][frame.HeaderSize+7] ^= 1
	if _, err := newArrived().open(k.frames[5]); err == nil {
		t.Error("a damaged frame is opened")
	}
}
