package changelog

import (
	"fmt"
	"io"
	"slices"

	"replicator/checksum"
	"replicator/checksum/atrest"
	"replicator/checksum/frame"
)

// coat is what lies around the frames of one segment on disk: nothing, or, in a log with a key,
// encryption. The frame within is the same, and nobody but this package sees the coat. The header
// stays readable, but for the digest, which would let small rows be guessed: frames must be found
// to tell a torn tail from damage.
//
//	offset size
//	     0   40  the frame's header up to its digest, with the flag Coated; authenticated
//	    40   12  nonce
//	    52       digest and payload, encrypted
//	         16  tag
type coat struct{ box *atrest.Box }

const (
	// coated is set in the header of a frame in its coat.
	coated    frame.Flags = 1 << 7
	flagsAt               = 6
	uncovered             = 40 // bytes of a frame that stay readable
)

// newCoat is the coat for the segment whose header has this digest. The digest is of the job, the
// segment's number and its history: a frame opens nowhere else.
func newCoat(k *atrest.Key, segment []byte) coat {
	if k == nil {
		return coat{}
	}
	return coat{k.Box("change log, frames of a segment", segment)}
}

// coatSize is what a frame grows by in a log with this key.
func coatSize(k *atrest.Key) int64 {
	if k == nil {
		return 0
	}
	return atrest.Overhead
}

// put is the frame as it is to lie on disk, in the memory of sealed where there is room.
func (c coat) put(sealed []byte) []byte {
	if c.box == nil {
		return sealed
	}
	sealed[flagsAt] |= byte(coated)
	return c.box.Seal(sealed[:uncovered], sealed[uncovered:], sealed[:uncovered])
}

// take is the frame within b. It may take the memory of dst, which may be b itself; without a key it
// is b.
func (c coat) take(dst, b []byte) ([]byte, error) {
	if c.box == nil {
		return b, nil
	}
	if frame.Flags(b[flagsAt])&coated == 0 {
		return nil, fmt.Errorf("%w: frame is not encrypted", ErrCorrupt)
	}
	sealed, err := c.box.Open(append(dst[:0], b[:uncovered]...), b[uncovered:], b[:uncovered])
	if err != nil {
		return nil, fmt.Errorf("%w: frame: %w", ErrCorrupt, err)
	}
	sealed[flagsAt] &^= byte(coated)
	return sealed, nil
}

// link is what stands for a frame in the chain: its digest, or its tag, which says nothing to who
// has no key.
func (c coat) link(b []byte) (l checksum.Digest) {
	if c.box == nil {
		return frame.DigestOf(b)
	}
	copy(l[:], b[len(b)-atrest.TagSize:])
	return l
}

// readFrame reads the frame at off of a file whose frames end at end, in its coat and unopened.
func readFrame(f io.ReaderAt, off, end int64, buf []byte, c coat) ([]byte, error) {
	r := io.NewSectionReader(f, off, end-off)
	b, err := frame.Read(r, buf)
	if err != nil || c.box == nil {
		return b, err
	}
	n := len(b)
	b = slices.Grow(b, atrest.Overhead)[:n+atrest.Overhead]
	_, err = io.ReadFull(r, b[n:])
	return b, err
}
