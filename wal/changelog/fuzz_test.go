package changelog

import (
	"bytes"
	"errors"
	"testing"

	"replicator/wal"
)

// FuzzRecords: whatever the bytes, the walk gives back exactly them or ErrCorrupt.
func FuzzRecords(f *testing.F) {
	f.Add(appendRecord(appendRecord(nil, 1, Message, begin(2, 3)), 2, Mark, nil))
	f.Add(appendRecord(nil, 1, Restart, []byte("x"))[:recordHeader])
	f.Fuzz(func(t *testing.T, raw []byte) {
		var back []byte
		w := writer{relations: relations{}}
		err := Records(raw, func(lsn wal.LSN, kind RecordKind, msg []byte) error {
			back = appendRecord(back, lsn, kind, msg)
			return nil
		})
		if err != nil && !errors.Is(err, ErrCorrupt) || err == nil && !bytes.Equal(back, raw) {
			t.Fatalf("%v: %x from %x", err, back, raw)
		}
		_ = w.walk(&segment{}, raw)
	})
}

// FuzzHeader: what decodes is what was encoded.
func FuzzHeader(f *testing.F) {
	h := header{number: 3, seq: 4, position: 5, open: 2, preamble: segmentHeader, previousFirst: 6, previousSize: 7}
	f.Add(h.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader(b)
		if err != nil && !errors.Is(err, ErrCorrupt) || err == nil && !bytes.Equal(h.encode()[:4], b[:4]) {
			t.Fatalf("%v: %+v from %x", err, h, b)
		}
	})
}
