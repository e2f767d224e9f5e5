package largeobject

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// page is a row of pg_largeobject.
type page struct {
	oid  uint32
	no   int32
	data []byte
}

// errMalformed says that bytes are not the binary COPY of pages.
var errMalformed = errors.New("not the pages of large objects")

func malformed(what string) error { return fmt.Errorf("%w: %s", errMalformed, what) }

// signature is how binary COPY begins; flags and the length of an extension follow, both zero.
var signature = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)

// pages reads binary COPY that comes in pieces of whole rows.
type pages struct {
	begun bool
	ended bool
}

// each calls f with every row of a piece; the data is in the piece's memory.
func (p *pages) each(piece []byte, f func(page) error) error {
	if !p.begun && len(piece) > 0 {
		if !bytes.HasPrefix(piece, signature) {
			return malformed("no signature")
		}
		p.begun, piece = true, piece[len(signature):]
	}
	for len(piece) > 0 {
		row, rest, err := p.next(piece)
		if err != nil {
			return err
		}
		if !p.ended {
			if err := f(row); err != nil {
				return err
			}
		}
		piece = rest
	}
	return nil
}

// next is the first row of a piece, or the end.
func (p *pages) next(b []byte) (row page, rest []byte, err error) {
	if p.ended || len(b) < 2 {
		return row, nil, malformed("bytes behind the end")
	}
	n := int16(binary.BigEndian.Uint16(b))
	b = b[2:]
	if n == -1 {
		p.ended = true
		return row, b, nil
	}
	if n != 3 {
		return row, nil, malformed("another number of columns")
	}
	var field [3][]byte
	for i := range field {
		if len(b) < 4 {
			return row, nil, malformed("a row is cut off")
		}
		size := int(int32(binary.BigEndian.Uint32(b)))
		if size < 0 || size > len(b)-4 {
			return row, nil, malformed("a row is cut off")
		}
		field[i], b = b[4:4+size], b[4+size:]
	}
	if len(field[0]) != 4 || len(field[1]) != 4 {
		return row, nil, malformed("another type of column")
	}
	row.oid, row.no, row.data = binary.BigEndian.Uint32(field[0]), int32(binary.BigEndian.Uint32(field[1])), field[2]
	if row.no < 0 {
		return row, nil, malformed("a page before the first")
	}
	return row, b, nil
}
