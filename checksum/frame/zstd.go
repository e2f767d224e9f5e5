package frame

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// How far back a match may lie bounds the memory of an encoder, and of a decoder where it does not
// believe a header. Rows of long texts gain by a window as large as their frames (clinical notes by
// half), all others nothing.
const (
	window    = 1 << 20
	maxWindow = 4 << 20
)

// Encoder is the Compressor that Seal is meant for.
type Encoder struct{ z *zstd.Encoder }

// NewEncoder returns an encoder at zstd's fastest level, for one goroutine. It holds no resource but memory.
func NewEncoder() (*Encoder, error) {
	return newEncoder(zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(window))
}

func newEncoder(more ...zstd.EOption) (*Encoder, error) {
	z, err := zstd.NewWriter(nil, append([]zstd.EOption{zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false)}, more...)...)
	if err != nil {
		return nil, err
	}
	return &Encoder{z}, nil
}

// Compress implements Compressor.
func (e *Encoder) Compress(dst, src []byte) []byte { return e.z.EncodeAll(src, dst) }

// believed is the ratio up to which a header's raw length is taken for true before anything is
// decompressed. Rows and changes seldom reach it; beyond it memory follows the output.
const believed = 32

// decoders are stateless between frames and shared by all.
var decoders = sync.Pool{New: func() any {
	whole, err := newDecoder(zstd.WithDecodeAllCapLimit(true))
	stream, err2 := newDecoder()
	return &decoder{whole: whole, stream: stream, err: errors.Join(err, err2)}
}}

type decoder struct {
	whole  *zstd.Decoder // for output whose size is believed
	stream *zstd.Decoder // for the rest
	err    error
}

func newDecoder(more ...zstd.DOption) (*zstd.Decoder, error) {
	return zstd.NewReader(nil, append(more, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeBuffersBelow(0))...)
}

// decompress puts exactly size bytes into dst's memory.
func decompress(dst, payload []byte, size int) ([]byte, error) {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	if d.err != nil {
		return nil, d.err
	}
	var out []byte
	var err error
	if size <= cap(dst) || size <= believed*len(payload) {
		dst = slices.Grow(dst, size)
		out, err = d.whole.DecodeAll(payload, dst[:0:size])
	} else {
		out, err = d.grow(dst, payload, size)
	}
	if err != nil {
		return nil, corrupt("decompress: %v", err)
	}
	if len(out) != size {
		return nil, corrupt("payload holds %d bytes, header says %d", len(out), size)
	}
	if cap(out) < cap(dst) {
		return dst[:copy(dst[:size], out)], nil // the same memory, or as good: its whole capacity is the caller's
	}
	return out, nil
}

// grow decompresses into memory that never exceeds twice what has come out, plus a step.
func (d *decoder) grow(dst, payload []byte, size int) ([]byte, error) {
	if err := d.stream.Reset(bytes.NewReader(payload)); err != nil {
		return nil, err
	}
	defer func() { _ = d.stream.Reset(nil) }()
	for len(dst) < size {
		n := min(size-len(dst), max(readStep, len(dst)))
		at := len(dst)
		dst = slices.Grow(dst, n)[:at+n]
		k, err := io.ReadFull(d.stream, dst[at:])
		if err != nil {
			return dst[:at+k], err
		}
	}
	var more [1]byte
	if k, err := io.ReadFull(d.stream, more[:]); k > 0 || !errors.Is(err, io.EOF) {
		return nil, errors.New("more bytes than the header says")
	}
	return dst, nil
}
