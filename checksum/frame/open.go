package frame

import (
	"errors"
	"io"
	"slices"
)

// Open checks a frame and returns its header and its raw bytes, which are put in dst's memory where
// that is large enough. The frame must be whole, with nothing behind it. Every error is ErrCorrupt.
func Open(frame, dst []byte) (Header, []byte, error) {
	h, raw, err := View(frame, dst)
	if err == nil && h.Encoding == Plain {
		raw = append(dst[:0], raw...)
	}
	return h, raw, err
}

// View is Open without the copy of a Plain frame: its raw bytes are the frame's own memory.
func View(frame, dst []byte) (Header, []byte, error) {
	h, err := ReadHeader(frame)
	if err != nil {
		return Header{}, nil, err
	}
	if len(frame) != h.Size() {
		return Header{}, nil, corrupt("%d bytes, header says %d", len(frame), h.Size())
	}
	raw := frame[HeaderSize:]
	switch h.Encoding {
	case Zstd:
		raw, err = decompress(dst[:0], raw, h.Raw)
	case Columns:
		raw, err = inRows(dst[:0], raw, h.Raw)
	}
	if err != nil {
		return Header{}, nil, err
	}
	if digest(frame, raw) != DigestOf(frame) {
		return Header{}, nil, corrupt("digest differs, sequence %d", h.Seq)
	}
	return h, raw, nil
}

// readStep is how much memory a header's word is good for; beyond it memory follows the bytes.
const readStep = 256 << 10

// Read reads one frame from r into buf's memory, or into more where that is too small, and returns
// it unopened. io.EOF says that r ended between two frames.
func Read(r io.Reader, buf []byte) ([]byte, error) {
	buf = slices.Grow(buf[:0], HeaderSize)[:HeaderSize]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	size, err := Size(buf)
	if err != nil {
		return nil, err
	}
	for len(buf) < size {
		at := len(buf)
		n := min(size-at, max(readStep, at, cap(buf)-at))
		buf = slices.Grow(buf, n)[:at+n]
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return buf, nil
}
