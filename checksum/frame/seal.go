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
	dst, h.Encoding = compress(extend(dst), raw, c)
	return finish(dst, start, h, raw)
}

// SealPlain makes a frame of b in place: the raw bytes come after HeaderSize bytes that it fills in.
func SealPlain(b []byte, h Header) []byte {
	h.Encoding = Plain
	return finish(b, 0, h, b[HeaderSize:])
}

// extend makes room for a header.
func extend(dst []byte) []byte { return slices.Grow(dst, HeaderSize)[:len(dst)+HeaderSize] }

// compress appends raw as it is smallest.
func compress(dst, raw []byte, c Compressor) ([]byte, Encoding) {
	if c != nil && len(raw) >= worthCompressing {
		out := c.Compress(dst, raw)
		if len(out)-len(dst) < len(raw) {
			return out, Zstd
		}
		dst = out[:len(dst)]
	}
	return append(dst, raw...), Plain
}

// finish fills in the header of the frame at start, whose payload is there.
func finish(dst []byte, start int, h Header, raw []byte) []byte {
	h.Raw, h.Payload = len(raw), len(dst)-start-HeaderSize
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
