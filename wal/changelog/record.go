package changelog

import (
	"encoding/binary"
	"fmt"

	"replicator/checksum/frame"
	"replicator/wal"
)

// RecordKind is what a record is.
type RecordKind uint8

// The kinds of record.
const (
	Message RecordKind = 1 // one pgoutput message
	Mark    RecordKind = 2 // idle progress: everything before the LSN has been received
	Restart RecordKind = 3 // the transaction that is open is void; it will come again from its Begin
)

// A record is its LSN (8 bytes), kind (1), length (4) and bytes.
const recordHeader = 13

// maxMessage is what fits into a frame by itself.
const maxMessage = frame.MaxRaw - recordHeader

func appendRecord(dst []byte, lsn wal.LSN, kind RecordKind, msg []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(lsn))
	dst = append(dst, byte(kind))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(msg)))
	return append(dst, msg...)
}

// Records walks the raw bytes of a frame. msg aliases raw. A reader that begins in the middle of the
// log may meet the rest of a transaction, without its Begin: it committed at or before the LSN that
// the reader began after.
func Records(raw []byte, f func(lsn wal.LSN, kind RecordKind, msg []byte) error) error {
	for len(raw) > 0 {
		if len(raw) < recordHeader {
			return fmt.Errorf("%w: record of %d bytes", ErrCorrupt, len(raw))
		}
		lsn, kind := wal.LSN(binary.BigEndian.Uint64(raw)), RecordKind(raw[8])
		n := int(binary.BigEndian.Uint32(raw[9:]))
		raw = raw[recordHeader:]
		if n > len(raw) || kind < Message || kind > Restart {
			return fmt.Errorf("%w: record of kind %d and %d bytes, %d are left", ErrCorrupt, kind, n, len(raw))
		}
		if err := f(lsn, kind, raw[:n:n]); err != nil {
			return err
		}
		raw = raw[n:]
	}
	return nil
}

// batch is records on their way into a frame.
type batch struct {
	raw      []byte
	from, to wal.LSN // position of the log before and after it
}

func (b *batch) add(t *tail, lsn wal.LSN, kind RecordKind, msg []byte) {
	if len(b.raw) == 0 {
		b.from = t.position
	}
	t.record(kind, lsn, msg)
	b.raw, b.to = appendRecord(b.raw, lsn, kind, msg), t.position
}

// reset empties b. A buffer that one huge message has blown up is not kept.
func (b *batch) reset(frameBytes int) {
	if cap(b.raw) > 4*frameBytes {
		b.raw = nil
	}
	b.raw = b.raw[:0]
}
