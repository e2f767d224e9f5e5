// Package frame is the sealed unit of transfer: a header and a payload, the payload compressed or
// not, the digest always that of the raw bytes. A frame is sealed once at the source end and opened
// once at the target end; change-log frames on disk are the frames on the wire.
//
// Layout, version 1, integers big-endian:
//
//	offset size
//	     0    4  magic "rpF1"
//	     4    1  kind (Rows, Changes)
//	     5    1  encoding of the payload (Plain, Zstd, Columns)
//	     6    1  flags
//	     7    1  zero
//	     8    8  sequence number, counted by the sender
//	    16    8  first LSN (Changes), else 0
//	    24    8  last LSN (Changes), else 0
//	    32    4  raw length
//	    36    4  payload length
//	    40   32  BLAKE3-256 over the first 40 bytes followed by the raw bytes
//	    72       payload
//
// The payload is the raw bytes (Plain), one zstd frame of them (Zstd), or of Rows as COPY sends
// them in binary format (Columns):
//
//	offset size
//	    72    4  length of the raw bytes in column order, see package column; not more than raw
//	    76       one zstd frame of them in that order
//
// What the digest covers is the raw bytes, in row order, whatever the payload.
//
// Until Open has checked the digest nothing in a frame is to be believed, its lengths included: no
// more memory is taken than the bytes that are really there justify.
package frame

import (
	"errors"
	"fmt"

	"replicator/wal"
)

// Kind is what a frame holds.
type Kind uint8

// The kinds of frame.
const (
	Rows    Kind = 1 // bytes as COPY gave them
	Changes Kind = 2 // records of the change log
)

// Encoding is how the raw bytes became the payload.
type Encoding uint8

// The encodings.
const (
	Plain   Encoding = 1
	Zstd    Encoding = 2
	Columns Encoding = 3
)

// Flags say more about a frame; what they mean belongs to who seals it.
type Flags uint8

// Synced is set on a frame of the change log that was sealed when everything before it in the log
// was on disk. A damaged frame somewhere before it is lost data, not a torn tail.
const Synced Flags = 1

// HeaderSize is the size of everything before the payload.
const HeaderSize = 72

// MaxRaw bounds the raw bytes of a frame: the largest message of a server, 1 GiB, and a little for
// what is put around it.
const MaxRaw = 1<<30 + 64<<10

// ErrCorrupt says that a frame is not what was sealed. It is never retried and never skipped.
var ErrCorrupt = errors.New("frame is corrupt")

// Header is what a frame says about itself. Seal fills in the lengths and the encoding.
type Header struct {
	Kind        Kind
	Flags       Flags
	Seq         uint64
	First, Last wal.LSN

	Encoding Encoding
	Raw      int // length of the raw bytes
	Payload  int // length of the payload
}

// Size is the size of the whole frame.
func (h *Header) Size() int { return HeaderSize + h.Payload }

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}
