package checksum

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// KeyHash names a row by its key columns: the first 128 bits of their BLAKE3, or, where the table
// has no key, of the whole row's.
type KeyHash [16]byte

// String is the hash in hex.
func (k KeyHash) String() string { return hex.EncodeToString(k[:]) }

// MarshalText gives the form of String, for JSON.
func (k KeyHash) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the form of String.
func (k *KeyHash) UnmarshalText(b []byte) error {
	if n, err := hex.Decode(k[:], b[:min(len(b), 2*len(k))]); err != nil || n != len(k) || len(b) != 2*n {
		return fmt.Errorf("parse key hash: want %d hex bytes", len(k))
	}
	return nil
}

// bucketBits of the hash are a bucket's number, others on every level.
const bucketBits = 12

// bucket is the one that the row belongs to on a level.
func (k KeyHash) bucket(level int) int {
	return int(binary.BigEndian.Uint64(k[:]) << (bucketBits * level) >> (64 - bucketBits))
}

// RowHash is one row as verification sees it: whose it is, and what it says.
type RowHash struct {
	Key KeyHash
	Row Digest
}

// RowHasher hashes rows and keys; it belongs to one goroutine and allocates nothing per row.
type RowHasher struct{ h *blake3.Hasher }

// NewRowHasher returns one that hashes with s.
func NewRowHasher(s Secret) *RowHasher { return &RowHasher{s.hasher()} }

// Row is the digest of a row's image.
func (r *RowHasher) Row(image []byte) (d Digest) {
	r.h.Reset()
	_, _ = r.h.Write(image)
	r.h.Sum(d[:0])
	return d
}

// Key is the hash of the image of key columns, see [KeyImage].
func (r *RowHasher) Key(image []byte) KeyHash { return r.Row(image).key() }

// Keyless is the hash of a row that has no key.
func (r *RowHasher) Keyless(image []byte) RowHash {
	d := r.Row(image)
	return RowHash{d.key(), d}
}

func (d Digest) key() KeyHash { return KeyHash(d[:16]) }

// KeyImage is that part of a row's image which holds its first n columns, and whether there are as
// many. It is the same for the same values whatever columns follow.
func KeyImage(image []byte, n int, text bool) ([]byte, bool) {
	if text {
		return textColumns(image, n)
	}
	if len(image) < 2 || int(int16(binary.BigEndian.Uint16(image))) < n {
		return nil, false
	}
	end := 2
	for range n {
		if len(image) < end+4 {
			return nil, false
		}
		size := int32(binary.BigEndian.Uint32(image[end:]))
		if end += 4 + int(max(size, 0)); len(image) < end {
			return nil, false
		}
	}
	return image[2:end], true
}

// textColumns ends at the tab that follows column n, or with the line.
func textColumns(line []byte, n int) ([]byte, bool) {
	if n == 0 {
		return nil, true
	}
	for i, c := range line {
		if c != '\t' {
			continue
		}
		if n--; n == 0 {
			return line[:i], true
		}
	}
	return line, n == 1
}
