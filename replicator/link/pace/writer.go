package pace

import (
	"context"
	"io"
)

// Writer hands on to w what is written, as the limiter lets it: so it holds up whoever writes. For a nil
// Limiter it is w itself.
func (l *Limiter) Writer(ctx context.Context, w io.Writer) io.Writer {
	if l == nil {
		return w
	}
	return &writer{ctx: ctx, w: w, limit: l}
}

type writer struct {
	ctx   context.Context
	w     io.Writer
	limit *Limiter
}

// Write has whoever completes a piece wait for it: rows are small, and each wait takes a lock.
func (w *writer) Write(b []byte) (int, error) {
	owed := w.limit.owed.Add(int64(len(b)))
	if owed >= largestPiece && w.limit.owed.CompareAndSwap(owed, 0) {
		if err := w.limit.Wait(w.ctx, int(owed)); err != nil {
			return 0, err
		}
	}
	return w.w.Write(b)
}
