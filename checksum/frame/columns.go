package frame

import (
	"encoding/binary"
	"sync"

	"replicator/checksum/column"
)

// orderers spare every frame the memory in which columns become rows again: at most twice the
// largest block, and the collector takes back what is idle.
var orderers = sync.Pool{New: func() any { return &orderer{decoder: column.NewDecoder()} }}

type orderer struct {
	decoder *column.Decoder
	columns []byte
}

// inRows puts exactly size bytes into dst's memory: what the payload is in row order.
func inRows(dst, payload []byte, size int) ([]byte, error) {
	if len(payload) < 4 {
		return nil, corrupt("no length of the columns")
	}
	n := binary.BigEndian.Uint32(payload)
	if int64(n) > int64(size) {
		return nil, corrupt("columns of %d bytes for raw length %d", n, size)
	}
	o := orderers.Get().(*orderer)
	defer orderers.Put(o)
	columns, err := decompress(o.columns[:0], payload[4:], int(n))
	if err != nil {
		return nil, err
	}
	o.columns = columns
	raw, err := o.decoder.Decode(dst, columns, size)
	if err != nil {
		return nil, corrupt("%v", err)
	}
	return raw, nil
}
