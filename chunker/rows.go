package chunker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"replicator/checksum"
	"replicator/replicator/pg"
)

// ErrTooMany says that a selection holds more rows than were allowed for.
var ErrTooMany = errors.New("more rows than the limit")

// Rows lists the hashes of the rows of a selection, up to limit of them: 48 bytes each, and for a
// moment as much again. Beyond it is ErrTooMany, at once.
func (s *Scan) Rows(ctx context.Context, of checksum.Selection, limit int) (*checksum.Rows, error) {
	sp, err := spell(s.Table, s.Text)
	if err != nil {
		return nil, err
	}
	list := listing{limit: int64(limit), all: checksum.NewRows(s.Secret)}
	err = s.read(ctx, &sp, func() reader {
		return &lister{to: &list, part: checksum.NewRows(s.Secret), rowHasher: s.hasher(&sp, of)}
	})
	if err != nil {
		return nil, err
	}
	return list.all, nil
}

// listing is what the sessions' lists are merged into.
type listing struct {
	limit int64
	count atomic.Int64 // of all sessions
	mu    sync.Mutex
	all   *checksum.Rows
}

type lister struct {
	rowHasher
	part *checksum.Rows
	to   *listing
}

func (r *lister) row(image []byte) error {
	h, meant, err := r.hash(image)
	if !meant || err != nil {
		return err
	}
	if r.to.count.Add(1) > r.to.limit {
		return fmt.Errorf("%w of %d", ErrTooMany, r.to.limit)
	}
	r.part.Add(h)
	return nil
}

func (r *lister) end(context.Context, *pg.Conn) error {
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	return r.to.all.Merge(r.part)
}
