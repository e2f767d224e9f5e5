package frame

import (
	"encoding/binary"

	"replicator/checksum"
	"replicator/checksum/column"
	"replicator/wal"
)

const (
	magic   = "rpF1"
	covered = 40 // bytes of the header that the digest covers
)

// put writes h into b, all but the digest.
func (h *Header) put(b []byte) {
	copy(b, magic)
	b[4], b[5], b[6], b[7] = byte(h.Kind), byte(h.Encoding), byte(h.Flags), 0
	binary.BigEndian.PutUint64(b[8:], h.Seq)
	binary.BigEndian.PutUint64(b[16:], uint64(h.First))
	binary.BigEndian.PutUint64(b[24:], uint64(h.Last))
	binary.BigEndian.PutUint32(b[32:], uint32(h.Raw))
	binary.BigEndian.PutUint32(b[36:], uint32(h.Payload))
}

// ReadHeader reads the header at the beginning of b. Its form is checked, its digest is not: that
// takes the raw bytes.
func ReadHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, corrupt("%d bytes are too few for a header", len(b))
	}
	if string(b[:4]) != magic {
		return Header{}, corrupt("no magic")
	}
	h := Header{
		Kind: Kind(b[4]), Encoding: Encoding(b[5]), Flags: Flags(b[6]),
		Seq:   binary.BigEndian.Uint64(b[8:]),
		First: wal.LSN(binary.BigEndian.Uint64(b[16:])), Last: wal.LSN(binary.BigEndian.Uint64(b[24:])),
	}
	raw, payload := binary.BigEndian.Uint32(b[32:]), binary.BigEndian.Uint32(b[36:])
	h.Raw, h.Payload = int(raw), int(payload)
	switch {
	case h.Kind != Rows && h.Kind != Changes:
		return Header{}, corrupt("unknown kind %d", h.Kind)
	case b[7] != 0:
		return Header{}, corrupt("byte 7 is not zero")
	case h.Encoding < Plain || h.Encoding > Columns || h.Encoding == Columns && h.Kind != Rows:
		return Header{}, corrupt("encoding %d of kind %d", h.Encoding, h.Kind)
	case !h.plausible():
		return Header{}, corrupt("payload length %d for raw length %d, encoding %d", payload, raw, h.Encoding)
	}
	return h, nil
}

// plausible reports whether the lengths can be: nothing is compressed that does not get smaller.
func (h *Header) plausible() bool {
	switch h.Encoding {
	case Plain:
		return h.Raw <= MaxRaw && h.Payload == h.Raw
	case Columns:
		return h.Raw <= column.MaxBlock && h.Payload < h.Raw
	}
	return h.Raw <= MaxRaw && h.Payload < h.Raw
}

// Size is the size of the frame that begins with b, by its header.
func Size(b []byte) (int, error) {
	h, err := ReadHeader(b)
	return h.Size(), err
}

// DigestOf is the digest that a frame carries. It identifies the frame: it covers all of it.
func DigestOf(frame []byte) checksum.Digest { return checksum.Digest(frame[covered:HeaderSize]) }
