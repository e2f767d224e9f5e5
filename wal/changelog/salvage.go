package changelog

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/frame"
	"replicator/wal"
)

// salvage copies the frames of the last segment, as far as they are valid, to the file of w: the
// bytes as they are, in the coat they have.
func (l *Log) salvage(old vfs.File, s *segment) error {
	w, size := &l.w, s.size
	var buf, sealed, raw []byte
	for w.size < size {
		var h frame.Header
		b, err := readFrame(old, w.size, size, buf, w.coat)
		if err == nil {
			buf = b
			if sealed, err = w.coat.take(sealed, b); err == nil {
				h, raw, err = frame.View(sealed, raw)
			}
			if err == nil {
				err = follows(&h, w.seq)
			}
		}
		if isIO(err) {
			return ioError("read segment", err)
		}
		if err != nil {
			return l.judge(old, s, err)
		}
		if err := w.walk(s, raw); err != nil {
			return corrupt(l.path(s.number), w.size, h.First, h.Last, err)
		}
		if err := w.append(b); err != nil {
			return ioError("recover change log", err)
		}
		if h.Encoding == frame.Plain {
			raw = nil // it was sealed's memory
		}
	}
	if w.size < s.preamble {
		return corrupt(l.path(s.number), w.size, w.tail.position, w.tail.position, errors.New("preamble is cut off"))
	}
	return nil
}

func follows(h *frame.Header, seq uint64) error {
	if h.Kind != frame.Changes || h.Seq != seq {
		return fmt.Errorf("%w: frame %d of kind %d, want %d", ErrCorrupt, h.Seq, h.Kind, seq)
	}
	return nil
}

// isIO reports whether err says that the bytes could not be read, not that they are wrong.
func isIO(err error) bool {
	return err != nil && !errors.Is(err, frame.ErrCorrupt) && !errors.Is(err, ErrCorrupt) &&
		!errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF)
}

// judge tells a torn tail from damage: the frame at w.size of the last segment is not valid.
func (l *Log) judge(old vfs.File, s *segment, reason error) error {
	w, path := &l.w, l.path(s.number)
	if w.size < s.preamble { // it was on disk before the segment had its name
		return corrupt(path, w.size, w.tail.position, w.tail.position, reason)
	}
	upTo, found, err := proof(old, w.size+1, s.size, w.seq, w.coat)
	if err != nil {
		return ioError("read segment", err)
	}
	if found {
		return corrupt(path, w.size, w.tail.position, upTo, reason)
	}
	l.opt.Logger.Info("change log had a torn end, which was cut off", "file", path, "offset", w.size,
		"bytes", s.size-w.size, "lsn", w.tail.position)
	l.bytes -= s.size - w.size
	s.size = w.size
	return nil
}

// proof looks between off and end for a frame that was sealed when everything before it was on disk:
// its sequence number is above seq and it carries Synced. It returns the position that the log had
// there.
func proof(f io.ReaderAt, off, end int64, seq uint64, c coat) (at wal.LSN, found bool, err error) {
	const step, overlap = 1 << 20, frame.HeaderSize - 1
	window := make([]byte, step+overlap)
	var buf []byte
	for ; off < end; off += step {
		n, err := f.ReadAt(window[:min(int64(len(window)), end-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false, err
		}
		for i := range candidates(window[:n]) {
			h, err := frame.ReadHeader(window[i:n])
			if err != nil || h.Seq <= seq || h.Flags&frame.Synced == 0 || int64(h.Size()) > end-off-int64(i) {
				continue
			}
			b, err := readFrame(f, off+int64(i), end, buf, c)
			if err != nil {
				continue
			}
			buf = b
			sealed, err := c.take(b, b)
			if err != nil {
				continue
			}
			if h, _, err = frame.View(sealed, nil); err == nil {
				return h.First, true, nil
			}
		}
	}
	return 0, false, nil
}

// candidates are the offsets in b where a frame's header may begin.
func candidates(b []byte) func(func(int) bool) {
	return func(yield func(int) bool) {
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], []byte("rpF1"))
			if i < 0 {
				return
			}
			if at += i; !yield(at) {
				return
			}
		}
	}
}
