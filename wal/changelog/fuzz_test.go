package changelog

import (
	"bytes"
	"errors"
	"testing"

	"replicator/checksum/atrest"
	"replicator/checksum/frame"
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

// FuzzHeader: what decodes is what was encoded, with the same key or without.
func FuzzHeader(f *testing.F) {
	h := header{number: 3, seq: 4, position: 5, open: 2, preamble: segmentHeader, previousFirst: 6, previousSize: 7}
	f.Add(h.encode(nil))
	f.Add(h.encode(atrest.New(secret)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, k := range []*atrest.Key{nil, atrest.New(secret)} {
			h, err := decodeHeader(b, k)
			if err != nil && !errors.Is(err, ErrCorrupt) || err == nil && !bytes.Equal(h.encode(k)[:4], b[:4]) {
				t.Fatalf("%v: %+v from %x", err, h, b)
			}
		}
	})
}

// FuzzCoat: bytes that lie where a frame should are the frame that was put there, or corrupt.
func FuzzCoat(f *testing.F) {
	k := atrest.New(secret)
	for _, c := range []coat{{}, newCoat(k, nil)} {
		f.Add(c.put(frame.Seal(nil, frame.Header{Kind: frame.Changes, Seq: 1}, []byte("rows"), nil)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range []coat{{}, newCoat(k, nil)} {
			lies, err := readFrame(bytes.NewReader(b), 0, int64(len(b)), nil, c)
			if isIO(err) {
				t.Fatalf("read: %v", err)
			}
			if err != nil {
				continue
			}
			sealed, err := c.take(nil, lies)
			if isIO(err) {
				t.Fatalf("take: %v", err)
			}
			if err != nil {
				continue
			}
			again, err := c.take(nil, c.put(bytes.Clone(sealed)))
			if err != nil || !bytes.Equal(again, sealed) {
				t.Fatalf("%x from %x: %v", again, sealed, err)
			}
		}
	})
}
