package target

import (
	"fmt"

	"replicator/checksum"
	"replicator/checksum/frame"
	"replicator/chunker"
)

// arrived sums up the frames of a chunk, or of a batch of large objects, as they are opened.
type arrived struct {
	digest *checksum.Hasher // of the frames' digests
	bytes  int64            // of rows
	raw    []byte           // of the frame opened last, reused
}

// mostKept is the largest memory of rows that is used again: it is four times the largest frame, and a row that
// is larger comes seldom.
const mostKept = 16 << 20

func newArrived() *arrived { return &arrived{digest: checksum.NewHasher()} }

// open checks a frame and gives its rows, in its own memory or in some that the next frame takes.
func (a *arrived) open(sealed []byte) ([]byte, error) {
	h, raw, err := frame.View(sealed, a.raw)
	if err != nil {
		return nil, err
	}
	if h.Encoding != frame.Plain && cap(raw) <= mostKept {
		a.raw = raw
	}
	d := frame.DigestOf(sealed)
	_, _ = a.digest.Write(d[:])
	a.bytes += int64(len(raw))
	return raw, nil
}

// check holds what arrived against what was sent (invariant I2).
func (a *arrived) check(r *chunker.Receipt, rows int64) error {
	if got := a.digest.Digest().String(); rows != r.Rows || a.bytes != r.Bytes || got != r.Digest {
		return fmt.Errorf("sent %d rows, %d bytes, digest %s; arrived %d rows, %d bytes, digest %s: %w",
			r.Rows, r.Bytes, r.Digest, rows, a.bytes, got, frame.ErrCorrupt)
	}
	return nil
}
