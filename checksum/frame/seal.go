package frame

import (
	"slices"
	"sync"

	"replicator/checksum"
)

// Compressor makes bytes smaller. It belongs to one goroutine.
type Compressor interface {
	// Compress appends src, compressed as one zstd frame, to dst.
	Compress(dst, src []byte) []byte
}

// worthCompressing is the size below which zstd's own framing eats what it saves.
const worthCompressing = 64

// Seal appends a frame of raw to dst. With a nil c, or where zstd would not make it smaller, the
// payload is the raw bytes. raw must not be larger than MaxRaw nor overlap dst.
func Seal(dst []byte, h Header, raw []byte, c Compressor) []byte {
	start := len(dst)
	dst = slices.Grow(dst, HeaderSize)[:start+HeaderSize]
	h.Encoding, h.Raw = Plain, len(raw)
	if c != nil && len(raw) >= worthCompressing {
		dst = c.Compress(dst, raw)
		if len(dst)-start-HeaderSize < len(raw) {
			h.Encoding = Zstd
		}
	}
	if h.Encoding == Plain {
		dst = append(dst[:start+HeaderSize], raw...)
	}
	h.Payload = len(dst) - start - HeaderSize
	h.put(dst[start:])
	d := digest(dst[start:], raw)
	copy(dst[start+covered:], d[:])
	return dst
}

// hashers spares every frame a BLAKE3 state of several kilobytes.
var hashers = sync.Pool{New: func() any { return checksum.NewHasher() }}

// digest is that of the frame whose header is at the beginning of b.
func digest(b, raw []byte) checksum.Digest {
	h := hashers.Get().(*checksum.Hasher)
	defer hashers.Put(h)
	h.Reset()
	_, _ = h.Write(b[:covered])
	_, _ = h.Write(raw)
	return h.Digest()
}
