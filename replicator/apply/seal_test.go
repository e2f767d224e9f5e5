package apply

import (
	"encoding/binary"

	"replicator/checksum/frame"
)

// seal makes a frame the way the change log does: LSN (8), kind (1), length (4), bytes.
func seal(recs []record) []byte {
	var raw []byte
	for _, r := range recs {
		raw = binary.BigEndian.AppendUint64(raw, uint64(r.lsn))
		raw = append(raw, byte(r.kind))
		raw = binary.BigEndian.AppendUint32(raw, uint32(len(r.msg)))
		raw = append(raw, r.msg...)
	}
	return frame.Seal(nil, frame.Header{Kind: frame.Changes}, raw, nil)
}
