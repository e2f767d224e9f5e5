package column

import (
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

const (
	// sampleBytes is how much of a block the ways are chosen from.
	sampleBytes = 64 << 10
	// gain is by how many per cent column order must be smaller than row order.
	gain = 3
)

// judge measures what zstd makes of candidates.
type judge struct {
	zstd     *zstd.Encoder
	encoder  Encoder
	put, out []byte
}

func newJudge() (*judge, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(128<<10), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false),
		zstd.WithAllLitEntropyCompression(true))
	return &judge{zstd: z}, err
}

// choose makes a plan for blocks like b without the ways that are given up.
func choose(b *block, givenUp []set) *plan {
	j, err := newJudge()
	if err != nil || b.mean() > wide {
		return &plan{rows: true}
	}
	j.encoder.block = b.sample(sampleBytes)
	sample := &j.encoder.block
	p := &plan{ways: make([]way, b.cols), missed: make([]atomic.Int32, b.cols)}
	total := 0
	for c := range p.ways {
		best, size := j.best(sample.column(c), givenUp[c])
		p.ways[c] = best
		total += size
	}
	rows := j.measure(sample.raw[b.head:])
	p.rows = 100*total > (100-gain)*rows
	return p
}

// best is the way in which zstd makes least of col, and what it makes.
func (j *judge) best(col []field, givenUp set) (best way, least int) {
	for w := range ways {
		if givenUp.has(w) {
			continue
		}
		fits := false
		if j.put, fits = j.encoder.put(j.put[:0], col, w); !fits {
			continue
		}
		if size := j.measure(j.put); w == plain || size < least {
			best, least = w, size
		}
	}
	return best, least
}

func (j *judge) measure(b []byte) int {
	j.out = j.zstd.EncodeAll(b, j.out[:0])
	return min(len(j.out), len(b))
}
