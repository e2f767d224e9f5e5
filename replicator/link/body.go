package link

import (
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// worthPacking is the size from which a JSON body travels compressed: plans and schema steps are
// large, and repeat themselves.
const worthPacking = 4 << 10

// pack is the JSON of v, compressed where that is worth it.
func pack(v any) (body []byte, flags byte, err error) {
	if v == nil {
		return nil, 0, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, 0, fmt.Errorf("encode message: %w", err)
	}
	if len(text) < worthPacking {
		return text, 0, nil
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, 0, err
	}
	return z.EncodeAll(text, nil), flagZstd, nil
}

// unpack reads what pack wrote; an empty body leaves v as it is.
func unpack(flags byte, body []byte, v any) error {
	if len(body) == 0 {
		return nil
	}
	if flags&flagZstd != 0 {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(largestBody))
		if err != nil {
			return err
		}
		defer z.Close()
		if body, err = z.DecodeAll(body, nil); err != nil {
			return damaged("decompress: %v", err)
		}
	}
	if err := json.Unmarshal(body, v); err != nil {
		return damaged("no JSON that this version knows")
	}
	return nil
}
