package pgoutput

import (
	"encoding/binary"

	"replicator/wal"
)

// Sizes of the messages whose size is fixed.
const (
	beginSize  = 1 + 8 + 8 + 4
	commitSize = 1 + 1 + 8 + 8 + 8
)

// Kind is the letter of message b, 0 when b is empty.
func Kind(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// BeginFinal is the LSN of the commit record that Begin message b announces; false when b is no
// Begin.
func BeginFinal(b []byte) (wal.LSN, bool) {
	if Kind(b) != 'B' || len(b) != beginSize {
		return 0, false
	}
	return wal.LSN(binary.BigEndian.Uint64(b[1:])), true
}

// CommitEnd is the end LSN of Commit message b; false when b is no Commit.
func CommitEnd(b []byte) (wal.LSN, bool) {
	if Kind(b) != 'C' || len(b) != commitSize {
		return 0, false
	}
	return wal.LSN(binary.BigEndian.Uint64(b[10:])), true
}

// RelationID is the relation that message b describes (R) or changes (I, U, D); false for every
// other kind. A Truncate names several: decode it.
func RelationID(b []byte) (uint32, bool) {
	switch Kind(b) {
	case 'R', 'I', 'U', 'D':
		if len(b) >= 5 {
			return binary.BigEndian.Uint32(b[1:]), true
		}
	}
	return 0, false
}
