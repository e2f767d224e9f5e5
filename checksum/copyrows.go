package checksum

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrCopyFormat says that a stream is not what COPY TO STDOUT sends.
var ErrCopyFormat = errors.New("not a COPY stream")

// NewRowSplitter returns a writer that takes the output of COPY in the given format, cut anywhere,
// and calls row with the image of each row: in binary format the tuple with its field count, in
// text format the line without its newline. The image is valid during the call only.
//
// A row that arrives whole is not copied; memory is bounded by the largest row. Close reports a
// stream that ended in the middle. After an error every Write returns it.
func NewRowSplitter(text bool, row func([]byte)) io.WriteCloser {
	if text {
		return &lineSplitter{row: row}
	}
	return &tupleSplitter{row: row, want: copyHeader, step: readHeader}
}

// lineSplitter cuts at newlines: in text format a newline within a value is always escaped.
type lineSplitter struct {
	row  func([]byte)
	part []byte // the beginning of a line
}

func (s *lineSplitter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.part = append(s.part, p...)
			return n, nil
		}
		line := p[:i]
		if len(s.part) > 0 {
			s.part = append(s.part, line...)
			line = s.part
		}
		s.row(line)
		s.part, p = recycle(s.part), p[i+1:]
	}
}

func (s *lineSplitter) Close() error {
	if len(s.part) > 0 {
		return fmt.Errorf("%w: ends within a line", ErrCopyFormat)
	}
	return nil
}

// The binary format: a header of 19 bytes (signature, flags, length of an extension) and the
// extension; tuples, each an int16 field count and per field an int32 length, -1 for NULL, and that
// many bytes; a trailer, the int16 -1. Integers are big-endian.
const copyHeader = 19

var copySignature = []byte("PGCOPY\n\xff\r\n\x00")

// tupleSplitter walks the stream item by item. An item that ends at offset want of the tuple (or
// of the header) is looked at as soon as it is there whole.
type tupleSplitter struct {
	row    func([]byte)
	part   []byte // what has arrived of a tuple that a write did not end
	want   int
	step   func(*tupleSplitter, []byte) (whole bool, err error)
	fields int // still to come in this tuple
	ended  bool
	err    error
}

func (s *tupleSplitter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && s.err == nil {
		p = s.advance(p)
	}
	if s.err != nil {
		return 0, s.err
	}
	return n, nil
}

// advance walks one tuple as far as p goes and returns what is left of p.
func (s *tupleSplitter) advance(p []byte) []byte {
	if len(s.part) > 0 {
		return s.complete(p)
	}
	whole, err := s.walk(p)
	if err != nil {
		s.err = err
		return nil
	}
	if !whole {
		s.part = append(s.part, p...)
		return nil
	}
	end := s.want
	s.emit(p[:end])
	return p[end:]
}

// complete adds to the part only what belongs to the same tuple.
func (s *tupleSplitter) complete(p []byte) []byte {
	for len(p) > 0 {
		k := min(s.want-len(s.part), len(p))
		s.part, p = append(s.part, p[:k]...), p[k:]
		whole, err := s.walk(s.part)
		if err != nil {
			s.err = err
			return nil
		}
		if whole {
			s.emit(s.part[:s.want])
			s.part = recycle(s.part)
			return p
		}
	}
	return nil
}

// walk looks at every item that ends within b; whole says that a unit ends at want.
func (s *tupleSplitter) walk(b []byte) (whole bool, err error) {
	for len(b) >= s.want {
		if whole, err = s.step(s, b); whole || err != nil {
			return whole, err
		}
	}
	return false, nil
}

// emit hands a unit on, unless it is the header or the trailer, and begins the next.
func (s *tupleSplitter) emit(unit []byte) {
	if s.fields >= 0 && !s.ended {
		s.row(unit)
	}
	s.want, s.step, s.fields = 2, readCount, 0
	if s.ended {
		s.want, s.step = 1, readBeyond
	}
}

func readHeader(s *tupleSplitter, b []byte) (bool, error) {
	if !bytes.Equal(b[:len(copySignature)], copySignature) {
		return false, fmt.Errorf("%w: no binary signature", ErrCopyFormat)
	}
	ext := binary.BigEndian.Uint32(b[15:])
	if ext > 1<<20 {
		return false, fmt.Errorf("%w: header extension of %d bytes", ErrCopyFormat, ext)
	}
	s.fields = -1 // the header is no row
	s.want += int(ext)
	s.step = func(*tupleSplitter, []byte) (bool, error) { return true, nil }
	return false, nil
}

func readCount(s *tupleSplitter, b []byte) (bool, error) {
	n := int16(binary.BigEndian.Uint16(b))
	if n < -1 {
		return false, fmt.Errorf("%w: tuple of %d fields", ErrCopyFormat, n)
	}
	s.fields, s.ended = int(n), n == -1
	return s.nextField(), nil
}

func readLength(s *tupleSplitter, b []byte) (bool, error) {
	n := int32(binary.BigEndian.Uint32(b[s.want-4:]))
	if n < -1 {
		return false, fmt.Errorf("%w: field of %d bytes", ErrCopyFormat, n)
	}
	if n <= 0 {
		return s.nextField(), nil
	}
	s.want, s.step = s.want+int(n), readValue
	return false, nil
}

func readValue(s *tupleSplitter, _ []byte) (bool, error) { return s.nextField(), nil }

func readBeyond(*tupleSplitter, []byte) (bool, error) {
	return false, fmt.Errorf("%w: bytes after the trailer", ErrCopyFormat)
}

// nextField reports whether the tuple ends here.
func (s *tupleSplitter) nextField() bool {
	if s.fields <= 0 {
		return true
	}
	s.fields--
	s.want, s.step = s.want+4, readLength
	return false
}

func (s *tupleSplitter) Close() error {
	switch {
	case s.err != nil:
		return s.err
	case !s.ended || len(s.part) > 0:
		return fmt.Errorf("%w: ends without the trailer", ErrCopyFormat)
	}
	return nil
}

// recycled is the largest buffer kept for the next row that arrives in pieces.
const recycled = 1 << 20

func recycle(b []byte) []byte {
	if cap(b) > recycled {
		return nil
	}
	return b[:0]
}
