package chunker

import (
	"context"
	"fmt"
	"sync"

	"replicator/checksum"
	"replicator/replicator/pg"
)

// Fingerprint reads all rows of t, as they are now, and sums them up independently of their order.
func Fingerprint(ctx context.Context, t *Table, text bool, jobs int, connect func(context.Context) (*pg.Conn, error)) (checksum.Set, error) {
	s := Scan{Table: t, Text: text, Jobs: jobs, Connect: connect}
	f, err := s.Fingerprint(ctx, nil)
	if err != nil {
		return checksum.Set{}, err
	}
	return f.Total(), nil
}

// Fingerprint is that of the rows of a selection, see package checksum.
func (s *Scan) Fingerprint(ctx context.Context, of checksum.Selection) (*checksum.Fingerprint, error) {
	sp, err := spell(s.Table, s.Text)
	if err != nil {
		return nil, err
	}
	sum := summary{all: checksum.NewFingerprint(s.Secret, of)}
	err = s.read(ctx, &sp, func() reader {
		return &summer{to: &sum, part: checksum.NewFingerprint(s.Secret, of), rowHasher: s.hasher(&sp, of)}
	})
	if err != nil {
		return nil, err
	}
	return sum.all, nil
}

// summary is what the sessions' fingerprints are merged into.
type summary struct {
	mu  sync.Mutex
	all *checksum.Fingerprint
}

type summer struct {
	rowHasher
	part *checksum.Fingerprint
	to   *summary
}

func (r *summer) row(image []byte) error {
	h, meant, err := r.hash(image)
	if meant {
		r.part.Add(h, len(image))
	}
	return err
}

func (r *summer) end(context.Context, *pg.Conn) error {
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	return r.to.all.Merge(r.part)
}

// rowHasher hashes the rows of a selection as they are spelled.
type rowHasher struct {
	*checksum.RowHasher
	spelling *spelling
	of       checksum.Selection
}

func (s *Scan) hasher(sp *spelling, of checksum.Selection) rowHasher {
	return rowHasher{checksum.NewRowHasher(s.Secret), sp, of}
}

// hash says what the row is, and whether the selection means it; if not, only its key is hashed.
func (r *rowHasher) hash(image []byte) (h checksum.RowHash, meant bool, err error) {
	if r.spelling.key == 0 {
		h = r.Keyless(image)
		return h, r.of.Holds(h.Key), nil
	}
	key, ok := checksum.KeyImage(image, r.spelling.key, r.spelling.text)
	if !ok {
		return h, false, fmt.Errorf("%w: a row without its key", checksum.ErrCopyFormat)
	}
	if h.Key = r.Key(key); !r.of.Holds(h.Key) {
		return h, false, nil
	}
	h.Row = r.Row(image)
	return h, true, nil
}
