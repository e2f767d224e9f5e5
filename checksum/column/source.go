package column

import "encoding/binary"

// source is what is left of the bytes in column order. Once they ran out, failed stays.
type source struct {
	b      []byte
	failed bool
}

func (s *source) next(n int) []byte {
	if n > len(s.b) {
		s.failed, s.b = true, nil
		return nil
	}
	b := s.b[:n:n]
	s.b = s.b[n:]
	return b
}

// roomy is next with everything behind the bytes as capacity, which is not to be written to.
func (s *source) roomy(n int) []byte {
	rest := s.b
	return rest[:len(s.next(n))]
}

func (s *source) byte() byte {
	if b := s.next(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *source) uint32() uint32 {
	if b := s.next(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (s *source) uint64() uint64 {
	if b := s.next(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

const (
	headSize    = 12
	leastColumn = 6 // of a constant column, the smallest
)

// head is what a block says about itself.
type head struct {
	trailer    bool
	cols, rows int
	header     []byte // of COPY
}

// head reads the head and holds it against the bytes that are there and the size that is expected.
func (s *source) head(size int) (h head, err error) {
	b := s.next(headSize)
	if s.failed {
		return h, corrupt("no head")
	}
	if b[0] != version || b[1]&^hasTrailer != 0 {
		return h, corrupt("version %d, flags %d", b[0], b[1])
	}
	h.trailer = b[1]&hasTrailer != 0
	h.cols = int(binary.BigEndian.Uint16(b[2:]))
	h.rows = int(binary.BigEndian.Uint32(b[4:]))
	h.header = s.next(int(binary.BigEndian.Uint32(b[8:])))
	least := len(h.header) + h.rows*(2+4*h.cols)
	if h.trailer {
		least += 2
	}
	n, ok := headerSize(h.header)
	if s.failed || !ok || n != len(h.header) || h.cols < 1 || h.cols > 1<<15-1 || h.rows < 1 ||
		h.cols*leastColumn > len(s.b) || least > size || size > MaxBlock {
		return h, corrupt("%d columns, %d rows for %d bytes", h.cols, h.rows, size)
	}
	return h, nil
}
