package largeobject

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func row(oid uint32, no int32, data string) []byte {
	b := binary.BigEndian.AppendUint16(nil, 3)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 4), oid)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 4), uint32(no))
	return append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
}

// FuzzPages feeds a COPY in pieces: no panic, and every row that is reported was there.
func FuzzPages(f *testing.F) {
	whole := bytes.Join([][]byte{signature, row(5, 0, "abc"), row(5, 1, ""), row(6, 7, "z"), {0xff, 0xff}}, nil)
	f.Add(whole, 30)
	f.Add(whole[:40], 10)
	f.Add(signature, 0)
	f.Add([]byte("PGCOPY"), 3)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		cut := min(max(at, 0), len(b))
		var p pages
		bytesSeen := 0
		for _, piece := range [][]byte{b[:cut], b[cut:]} {
			err := p.each(piece, func(r page) error {
				bytesSeen += len(r.data) + 22
				if r.no < 0 {
					t.Error("a page before the first")
				}
				return nil
			})
			if err != nil {
				if !errors.Is(err, errMalformed) {
					t.Errorf("another error: %v", err)
				}
				return
			}
		}
		if bytesSeen > len(b) {
			t.Errorf("%d bytes of rows in %d", bytesSeen, len(b))
		}
	})
}
