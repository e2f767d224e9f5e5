package checksum

import (
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// Digest is a BLAKE3-256 digest.
type Digest [32]byte

// Sum is the digest of b.
func Sum(b []byte) Digest { return blake3.Sum256(b) }

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d was never computed.
func (d Digest) IsZero() bool { return d == Digest{} }

// ParseDigest reads the hex form.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) {
		return d, fmt.Errorf("parse digest %q: want %d hex bytes", s, len(d))
	}
	copy(d[:], b)
	return d, nil
}

// Hasher computes the digest of a stream; it is an io.Writer that never fails.
type Hasher struct{ h *blake3.Hasher }

// NewHasher returns a hasher of an empty stream.
func NewHasher() *Hasher { return &Hasher{h: blake3.New()} }

func (h *Hasher) Write(p []byte) (int, error) { return h.h.Write(p) }

// Digest is the digest of what was written so far.
func (h *Hasher) Digest() Digest {
	var d Digest
	h.h.Sum(d[:0])
	return d
}

// Reset makes h a hasher of an empty stream again.
func (h *Hasher) Reset() { h.h.Reset() }
