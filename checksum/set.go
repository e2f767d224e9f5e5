package checksum

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/zeebo/blake3"
)

// Set is the fingerprint of a multiset of rows, whatever their order: how many there are, their
// bytes, and the sum mod 2^256 of the BLAKE3-256 of each row image. The zero Set is that of no rows.
// Sets are compared with Equal or ==. A table in buckets is a [Fingerprint].
//
// It tells copies that went wrong from copies that did not. It is no defence against somebody who
// can choose rows: sums of hashes can be made to collide with effort far below 2^128.
type Set struct {
	sum   [4]uint64 // little-endian limbs
	Rows  int64
	Bytes int64
}

// Add takes a row in.
func (s *Set) Add(row []byte) { s.add(blake3.Sum256(row), len(row)) }

// AddHash takes a row in that was hashed before, whose image has size bytes.
func (s *Set) AddHash(r RowHash, size int) { s.add(r.Row, size) }

// Remove takes a row out again. Its image must be the one that was added.
func (s *Set) Remove(row []byte) { s.remove(blake3.Sum256(row), len(row)) }

func (s *Set) add(d Digest, size int) {
	s.plus(limbs(d))
	s.Rows++
	s.Bytes += int64(size)
}

func (s *Set) remove(d Digest, size int) {
	s.minus(limbs(d))
	s.Rows--
	s.Bytes -= int64(size)
}

// Merge takes all rows of o in.
func (s *Set) Merge(o Set) {
	s.plus(o.sum)
	s.Rows += o.Rows
	s.Bytes += o.Bytes
}

// Equal reports whether both fingerprints are of the same rows.
func (s Set) Equal(o Set) bool { return s == o }

// String is rows:bytes:sum, the sum in hex.
func (s Set) String() string {
	d := s.digest()
	return strconv.FormatInt(s.Rows, 10) + ":" + strconv.FormatInt(s.Bytes, 10) + ":" + hex.EncodeToString(d[:])
}

// ParseSet reads the form that String gives.
func ParseSet(text string) (Set, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return Set{}, fmt.Errorf("parse row set %q: want rows:bytes:sum", text)
	}
	var s Set
	var err error
	if s.Rows, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return Set{}, fmt.Errorf("parse row set: rows: %w", err)
	}
	if s.Bytes, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return Set{}, fmt.Errorf("parse row set: bytes: %w", err)
	}
	d, err := ParseDigest(parts[2])
	if err != nil {
		return Set{}, fmt.Errorf("parse row set: %w", err)
	}
	s.sum = limbs(d)
	return s, nil
}

// MarshalText gives the form of String, for JSON.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the form of String.
func (s *Set) UnmarshalText(b []byte) error {
	v, err := ParseSet(string(b))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

func (s *Set) plus(o [4]uint64) {
	var carry uint64
	for i := range s.sum {
		s.sum[i], carry = bits.Add64(s.sum[i], o[i], carry)
	}
}

func (s *Set) minus(o [4]uint64) {
	var borrow uint64
	for i := range s.sum {
		s.sum[i], borrow = bits.Sub64(s.sum[i], o[i], borrow)
	}
}

func limbs(d Digest) (l [4]uint64) {
	for i := range l {
		l[i] = binary.LittleEndian.Uint64(d[i*8:])
	}
	return l
}

func (s *Set) digest() (d Digest) {
	for i, l := range s.sum {
		binary.LittleEndian.PutUint64(d[i*8:], l)
	}
	return d
}
