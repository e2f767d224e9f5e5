package frame

import (
	"encoding/binary"

	"github.com/klauspost/compress/zstd"

	"replicator/checksum/column"
)

// columnBlock is the size of zstd's blocks in column order. Each has a code of its own for literals,
// and columns that differ follow each other closely.
const columnBlock = 64 << 10

// Packer seals frames for the wire. It belongs to one goroutine. It keeps memory between frames: an
// encoder of some 6 MiB for rows, one of 3 MiB for columns, and what [column.Encoder] says, each
// from its first use on.
type Packer struct {
	level   Level // of the encoders
	rows    *Encoder
	columns *Encoder
	order   *column.Encoder
	ordered []byte
}

// NewPacker returns a packer.
func NewPacker() *Packer { return &Packer{order: column.NewEncoder()} }

// Seal appends a frame of raw to dst, as small as level makes it: Rows in column order where layout
// is not nil and finds that they gain by it, else as they are; what zstd does not make smaller is
// not compressed. At Off, and it alone, the work is that of the digest. raw must not be larger than
// MaxRaw nor overlap dst.
func (p *Packer) Seal(dst []byte, h Header, raw []byte, level Level, layout *column.Layout) []byte {
	if level == Off {
		return Seal(dst, h, raw, nil)
	}
	if level != p.level {
		p.level, p.rows, p.columns = level, nil, nil
	}
	start := len(dst)
	dst = extend(dst)
	packed := false
	if h.Kind == Rows && layout != nil {
		h.Encoding = Columns
		dst, packed = p.inColumns(dst, raw, layout)
	}
	if !packed {
		dst, h.Encoding = compress(dst, raw, p.forRows())
	}
	return finish(dst, start, h, raw)
}

// inColumns appends raw in column order, compressed, and reports whether that is smaller.
func (p *Packer) inColumns(dst, raw []byte, layout *column.Layout) ([]byte, bool) {
	var ok bool
	if p.ordered, ok = p.order.Encode(p.ordered[:0], raw, layout); !ok || len(p.ordered) > len(raw) {
		return dst, false
	}
	e := p.forColumns()
	if e == nil {
		return dst, false
	}
	out := binary.BigEndian.AppendUint32(dst, uint32(len(p.ordered)))
	out = e.Compress(out, p.ordered)
	if len(out)-len(dst) >= len(raw) {
		return out[:len(dst)], false
	}
	return out, true
}

// forRows is the encoder of frames in row order, nil if zstd has none.
func (p *Packer) forRows() Compressor {
	if p.rows == nil {
		var err error
		if p.rows, err = newEncoder(p.level.zstd(), zstd.WithWindowSize(maxWindow)); err != nil {
			return nil
		}
	}
	return p.rows
}

// forColumns is the encoder of frames in column order, nil if zstd has none. Byte planes often have
// no matches and few different bytes all the same; in rows to look for that is work for nothing.
func (p *Packer) forColumns() Compressor {
	if p.columns == nil {
		var err error
		p.columns, err = newEncoder(p.level.zstd(), zstd.WithWindowSize(columnBlock), // sets the block's size, too
			zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(false), zstd.WithAllLitEntropyCompression(true))
		if err != nil {
			return nil
		}
	}
	return p.columns
}
