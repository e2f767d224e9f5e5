package sizing

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// madeRow is a made-up row: values look like an observation's, none is like the one before.
func madeRow(id int, changed bool) [][]byte {
	mixed := bits.Reverse32(uint32(id)*2654435761) ^ uint32(id)
	if changed {
		mixed = ^mixed
	}
	return [][]byte{
		binary.BigEndian.AppendUint64(nil, uint64(id)),
		binary.BigEndian.AppendUint32(nil, mixed%50_000),
		binary.BigEndian.AppendUint64(nil, 820_000_000_000_000+uint64(id)*1_000_000),
		fmt.Appendf(nil, "code-%03d", mixed%500),
		fmt.Appendf(nil, "%08x %08x %08x %08x", mixed, mixed*7, mixed*31, mixed*127),
	}
}

// copyHeader begins what COPY takes in binary format.
var copyHeader = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)

// copyTrailer ends it.
var copyTrailer = []byte{0xff, 0xff}

// copyRow appends a row as COPY takes it.
func copyRow(dst []byte, values [][]byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(values)))
	for _, v := range values {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
		dst = append(dst, v...)
	}
	return dst
}
