package checksum

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Fingerprints and lists of rows cross the link and lie in the store as
//
//	version 1 | kind 1 | secret 8 | body | check 16
//
// with the first 16 bytes of the BLAKE3 of all before as check. A Fingerprint (kind 'F') has for body
//
//	level 1 | of each bucket with rows: distance to the one before uvarint | rows varint | bytes varint | sum 32
//
// the first distance being from -1, the sum little-endian; Rows (kind 'R') have
//
//	of each row: key hash 16 | digest 32
const (
	encodingVersion = 1
	kindFingerprint = 'F'
	kindRows        = 'R'

	encodingHead  = 2 + len(secretID{})
	encodingCheck = 16
	rowSize       = len(KeyHash{}) + len(Digest{})
)

// ErrEncoding says that bytes are not an encoded fingerprint or list of rows, or are damaged.
var ErrEncoding = errors.New("not an encoded fingerprint")

// AppendBinary implements encoding.BinaryAppender: 36 to 50 bytes for a bucket with rows.
func (f *Fingerprint) AppendBinary(b []byte) ([]byte, error) {
	from := len(b)
	b = append(b, encodingVersion, kindFingerprint)
	b = append(b, f.secret[:]...)
	b = append(b, byte(f.level))
	last := -1
	for i := range f.buckets {
		s := &f.buckets[i]
		if *s == (Set{}) {
			continue
		}
		b = binary.AppendUvarint(b, uint64(i-last))
		b = binary.AppendVarint(b, s.Rows)
		b = binary.AppendVarint(b, s.Bytes)
		sum := s.digest()
		b = append(b, sum[:]...)
		last = i
	}
	return appendCheck(b, from), nil
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (f *Fingerprint) MarshalBinary() ([]byte, error) { return f.AppendBinary(nil) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler. Its error is ErrEncoding, and leaves f as it was.
func (f *Fingerprint) UnmarshalBinary(b []byte) error {
	var g Fingerprint
	body, err := opened(b, kindFingerprint, &g.secret)
	if err != nil {
		return err
	}
	if len(body) == 0 || body[0] > Levels {
		return fmt.Errorf("%w: no level", ErrEncoding)
	}
	g.level, body = int(body[0]), body[1:]
	for i := -1; len(body) > 0; {
		distance, n := binary.Uvarint(body)
		if n <= 0 || distance == 0 || distance >= uint64(BucketCount-i) {
			return fmt.Errorf("%w: no such bucket", ErrEncoding)
		}
		i += int(distance)
		if body, err = g.buckets[i].decode(body[n:]); err != nil {
			return err
		}
	}
	*f = g
	return nil
}

// decode reads one bucket and returns what follows it.
func (s *Set) decode(b []byte) ([]byte, error) {
	for _, v := range []*int64{&s.Rows, &s.Bytes} {
		x, n := binary.Varint(b)
		if n <= 0 {
			return nil, fmt.Errorf("%w: no number", ErrEncoding)
		}
		*v, b = x, b[n:]
	}
	if len(b) < len(Digest{}) {
		return nil, fmt.Errorf("%w: half a sum", ErrEncoding)
	}
	s.sum = limbs(Digest(b[:len(Digest{})]))
	if *s == (Set{}) {
		return nil, fmt.Errorf("%w: an empty bucket", ErrEncoding)
	}
	return b[len(Digest{}):], nil
}

// AppendBinary implements encoding.BinaryAppender.
func (r *Rows) AppendBinary(b []byte) ([]byte, error) {
	from := len(b)
	b = append(b, encodingVersion, kindRows)
	b = append(b, r.secret[:]...)
	for i := range r.list {
		b = append(b, r.list[i].Key[:]...)
		b = append(b, r.list[i].Row[:]...)
	}
	return appendCheck(b, from), nil
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (r *Rows) MarshalBinary() ([]byte, error) {
	return r.AppendBinary(make([]byte, 0, encodingHead+len(r.list)*rowSize+encodingCheck))
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler. Its error is ErrEncoding, and leaves r as it was.
func (r *Rows) UnmarshalBinary(b []byte) error {
	var secret secretID
	body, err := opened(b, kindRows, &secret)
	if err != nil {
		return err
	}
	if len(body)%rowSize != 0 {
		return fmt.Errorf("%w: half a row", ErrEncoding)
	}
	list := make([]RowHash, len(body)/rowSize)
	for i := range list {
		row := body[i*rowSize:]
		list[i] = RowHash{KeyHash(row[:len(KeyHash{})]), Digest(row[len(KeyHash{}):rowSize])}
	}
	*r = Rows{secret, list}
	return nil
}

func appendCheck(b []byte, from int) []byte {
	sum := Sum(b[from:])
	return append(b, sum[:encodingCheck]...)
}

// opened is the body of b, whose check it has looked at.
func opened(b []byte, kind byte, secret *secretID) ([]byte, error) {
	if len(b) < encodingHead+encodingCheck {
		return nil, fmt.Errorf("%w: %d bytes", ErrEncoding, len(b))
	}
	end := len(b) - encodingCheck
	if sum := Sum(b[:end]); !bytes.Equal(sum[:encodingCheck], b[end:]) {
		return nil, fmt.Errorf("%w: damaged", ErrEncoding)
	}
	if b[0] != encodingVersion {
		return nil, fmt.Errorf("%w: version %d", ErrEncoding, b[0])
	}
	if b[1] != kind {
		return nil, fmt.Errorf("%w: another kind", ErrEncoding)
	}
	copy(secret[:], b[2:])
	return b[encodingHead:end], nil
}
