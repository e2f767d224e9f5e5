package changelog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum"
	"replicator/checksum/atrest"
	"replicator/wal"
)

const (
	segmentMagic   = "rpL1" // frames as they were sealed
	coatedMagic    = "rpL2" // frames in a coat
	segmentHeader  = 160
	segmentDigest  = 128 // where the header's own digest is
	segmentSuffix  = ".seg"
	unfinished     = ".tmp"
	writeCategory  = vfs.WriteCategoryUnspecified
	privateFile    = 0o600
	privateDir     = 0o700
	segmentNameLen = 16
)

// header is what a segment says about itself; see the package's documentation.
type header struct {
	number   uint64
	seq      uint64
	position wal.LSN
	open     uint64
	preamble int64

	previousFirst wal.LSN
	previousSize  int64

	job   checksum.Digest
	chain checksum.Digest
}

func (h *header) encode(k *atrest.Key) []byte {
	b := make([]byte, segmentHeader)
	copy(b, segmentMagic)
	if k != nil {
		copy(b, coatedMagic)
		copy(b[4:8], keyMark(k))
	}
	for i, v := range []uint64{
		h.number, h.seq, uint64(h.position), h.open, uint64(h.preamble), uint64(h.previousFirst), uint64(h.previousSize),
	} {
		binary.BigEndian.PutUint64(b[8+8*i:], v)
	}
	copy(b[64:], h.job[:])
	copy(b[96:], h.chain[:])
	d := headerDigest(b, k)
	copy(b[segmentDigest:], d[:])
	return b
}

func decodeHeader(b []byte, k *atrest.Key) (header, error) {
	if len(b) < segmentHeader {
		return header{}, fmt.Errorf("%w: no segment header", ErrCorrupt)
	}
	magic, differs := string(b[:4]), headerDigest(b, k) != checksum.Digest(b[segmentDigest:segmentHeader])
	switch {
	case magic == segmentMagic && k != nil:
		return header{}, fmt.Errorf("%w: segment %w", ErrCorrupt, errHasNoKey)
	case magic == coatedMagic && k == nil:
		return header{}, fmt.Errorf("%w: segment %w", ErrCorrupt, errNeedsKey)
	case magic != segmentMagic && magic != coatedMagic:
		return header{}, fmt.Errorf("%w: no segment header", ErrCorrupt)
	case differs && k != nil && !bytes.Equal(b[4:8], keyMark(k)):
		return header{}, fmt.Errorf("%w: segment %w", ErrCorrupt, errOtherKey)
	case differs:
		return header{}, fmt.Errorf("%w: digest of the segment header differs", ErrCorrupt)
	}
	var v [7]uint64
	for i := range v {
		v[i] = binary.BigEndian.Uint64(b[8+8*i:])
	}
	return header{
		number: v[0], seq: v[1], position: wal.LSN(v[2]), open: v[3], preamble: int64(v[4]),
		previousFirst: wal.LSN(v[5]), previousSize: int64(v[6]),
		job: checksum.Digest(b[64:96]), chain: checksum.Digest(b[96:128]),
	}, nil
}

func readHeader(f io.ReaderAt, k *atrest.Key) (header, error) {
	b := make([]byte, segmentHeader)
	if n, err := f.ReadAt(b, 0); n < segmentHeader {
		return header{}, fmt.Errorf("read segment header: %w", err)
	}
	return decodeHeader(b, k)
}

// segment is a segment as the log knows it. Only the last one changes.
type segment struct {
	header
	size int64   // bytes written
	last wal.LSN // position at its end
	// first is the position after the first transaction that ends in it, 0 while none has. It
	// says whether the transaction that is open at its beginning matters to a reader.
	first wal.LSN
}

// needs is the number of the segment in which a reader must begin to meet everything that commits
// in s after from.
func (s *segment) needs(from wal.LSN) uint64 {
	if s.open != 0 && (s.first == 0 || s.first > from) {
		return s.open
	}
	return s.number
}

// ended notes that a transaction ended, with the log at position.
func (s *segment) ended(position wal.LSN) {
	if s.first == 0 {
		s.first = max(position, 1)
	}
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x", number) + segmentSuffix }

func parseName(name string) (number uint64, ok bool) {
	hex, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(hex) != segmentNameLen {
		return 0, false
	}
	number, err := strconv.ParseUint(hex, 16, 64)
	return number, err == nil && number > 0
}
