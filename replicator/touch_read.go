package replicator

import (
	"context"
	"errors"
	"time"

	"replicator/checksum/frame"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/changelog"
)

// resume begins to read where the notes of an earlier run end, if a table is proved. From then on the log
// is not trimmed beyond what is noted, so it comes before anybody applies. Without a table it reads nothing.
func (t *toucher) resume() (*changelog.Reader, error) {
	if len(t.state.Tables) == 0 {
		return nil, nil
	}
	r, err := t.changes.Reader(max(t.state.UpTo, t.begin))
	if !errors.Is(err, changelog.ErrTrimmed) {
		t.started(t.state.UpTo)
		return r, err
	}
	// What lies between is not known: every proof is void.
	t.log.Warn("the notes of changed rows have a gap: tables are compared in full until they are verified again", "error", err)
	for table := range t.state.Tables {
		if err := t.forget(table); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// started lets those go on who wait for the log to be read, from at.
func (t *toucher) started(at wal.LSN) {
	t.state.UpTo, t.end = at, at
	clear(t.known)
	close(t.reading)
}

// run notes until ctx ends. r is what resume gave.
func (t *toucher) run(ctx context.Context, r *changelog.Reader) error {
	for {
		if r == nil {
			select {
			case <-t.wanted:
			case <-ctx.Done():
				return ctx.Err()
			}
			var err error
			if r, err = t.begins(ctx); err != nil {
				return err
			}
		}
		if r != nil {
			err := errors.Join(t.read(ctx, r), r.Close())
			if err != nil {
				return err
			}
			r = nil
		}
	}
}

// begins reads from what is applied; nil where nobody wants it any more.
func (t *toucher) begins(ctx context.Context) (*changelog.Reader, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.state.Tables) > 0 {
		at := t.appliedNow()
		r, err := t.changes.Reader(max(at, t.begin))
		if err == nil {
			t.started(at)
		}
		if !errors.Is(err, changelog.ErrTrimmed) {
			return r, err
		}
		// More was applied meanwhile, and trimmed.
		if err := pg.Pause(ctx, time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (t *toucher) appliedNow() wal.LSN {
	t.job.mu.Lock()
	defer t.job.mu.Unlock()
	return t.applied
}

// idle reports that no table is proved or about to be, and that the log is no longer read then.
func (t *toucher) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.state.Tables) > 0 {
		return false
	}
	t.reading = make(chan struct{})
	return true
}

// read notes until ctx ends or nothing is to be noted any more.
func (t *toucher) read(ctx context.Context, r *changelog.Reader) error {
	for !t.idle() {
		last, err := t.next(ctx, r)
		if err == nil {
			err = t.awaitApplied(ctx, last)
		}
		if err != nil {
			return errors.Join(err, t.flush())
		}
		if err := changelog.Records(r.Raw(), t.record); err != nil {
			return err
		}
		if len(t.batch) >= touchBatch || time.Since(t.wrote) > touchEvery {
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	clear(t.batch)
	return nil
}

// next waits for a frame and gives its last position; what is noted is written when none comes for a while.
func (t *toucher) next(ctx context.Context, r *changelog.Reader) (wal.LSN, error) {
	bounded, cancel := context.WithTimeout(ctx, touchEvery)
	defer cancel()
	t.mu.Lock()
	t.hurry = cancel
	t.mu.Unlock()
	sealed, err := r.Next(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		if err := t.flush(); err != nil {
			return 0, err
		}
		sealed, err = r.Next(ctx)
	}
	if err != nil {
		return 0, err
	}
	h, err := frame.ReadHeader(sealed)
	return h.Last, err
}

// awaitApplied waits until the target has applied everything up to lsn.
func (t *toucher) awaitApplied(ctx context.Context, lsn wal.LSN) error {
	for {
		t.job.mu.Lock()
		applied, moved := t.applied, t.moved
		t.job.mu.Unlock()
		if applied >= lsn {
			return nil
		}
		if err := t.flush(); err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
