package chunker

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"replicator/checksum"
	"replicator/replicator/pg"
)

// ByChunk is the set of each chunk's rows, for a table that is cut by ranges of its key: in one scan,
// whatever the order of the heap.
func (s *Scan) ByChunk(ctx context.Context, chunks []Chunk) ([]checksum.Set, error) {
	cover := Coverage{table: s.Table, chunks: chunks}
	if len(chunks) == 0 || chunks[0].Kind != Range {
		return nil, fmt.Errorf("table %s is not cut by ranges of its key", s.Table)
	}
	if err := cover.order(); err != nil {
		return nil, err
	}
	sp, err := spell(s.Table, s.Text)
	if err != nil {
		return nil, err
	}
	sums := chunkSums{sets: make([]checksum.Set, len(chunks))}
	err = s.read(ctx, &sp, func() reader {
		return &chunkSummer{to: &sums, cover: &cover, sets: make([]checksum.Set, len(chunks)), rowHasher: s.hasher(&sp, nil)}
	})
	return sums.sets, err
}

// chunkSums is what the sessions' sets are merged into.
type chunkSums struct {
	mu   sync.Mutex
	sets []checksum.Set
}

type chunkSummer struct {
	rowHasher
	to    *chunkSums
	cover *Coverage
	sets  []checksum.Set
}

func (r *chunkSummer) row(image []byte) error {
	h, _, err := r.hash(image)
	if err != nil {
		return err
	}
	lead, err := r.lead(image)
	if err != nil {
		return err
	}
	i, err := r.cover.Chunk(lead, r.spelling.text)
	if err != nil {
		return err
	}
	r.sets[i].AddHash(h, len(image))
	return nil
}

// lead is the leading key column, with which the image begins.
func (r *chunkSummer) lead(image []byte) ([]byte, error) {
	key, ok := checksum.KeyImage(image, 1, r.spelling.text)
	if ok && r.spelling.text {
		return key, nil
	}
	if !ok || len(key) < 4 || int(binary.BigEndian.Uint32(key)) != len(key)-4 {
		return nil, fmt.Errorf("%w: a row without its key", checksum.ErrCopyFormat)
	}
	return key[4:], nil
}

func (r *chunkSummer) end(context.Context, *pg.Conn) error {
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	for i := range r.sets {
		r.to.sets[i].Merge(r.sets[i])
	}
	return nil
}
