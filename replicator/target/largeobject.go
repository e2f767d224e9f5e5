package target

import (
	"context"
	"errors"
	"fmt"

	"replicator/checksum/frame"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/largeobject"
	"replicator/replicator/pg"
	"replicator/replicator/status"
)

// LargeObjects implements End.
func (l *Local) LargeObjects(ctx context.Context, ask largeobject.Ask) (a largeobject.Answer, err error) {
	err = l.lookups.use(ctx, func(c *pg.Conn) error {
		a, err = largeobject.Read(ctx, c, ask)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("on the target: %w", err)
	}
	return a, nil
}

// objectWriter is a transaction that writes a batch of large objects.
type objectWriter struct {
	end   *Local
	conn  *pg.Conn
	w     *largeobject.Writer
	sum   *arrived
	ended bool
}

// WriteLargeObjects implements End.
func (l *Local) WriteLargeObjects(ctx context.Context, b *largeobject.Batch) (ChunkWriter, error) {
	conn, err := l.plain.take(ctx)
	if err != nil {
		return nil, err
	}
	w := &objectWriter{end: l, conn: conn, sum: newArrived()}
	if err = conn.Exec(ctx, "BEGIN"); err == nil {
		err = l.fence(ctx, conn)
	}
	if err == nil {
		err = l.notOpen(ctx, conn)
	}
	if err == nil {
		w.w, err = largeobject.Begin(ctx, conn, b)
	}
	if err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// notOpen refuses once the target takes writes of others: their objects are not on the source.
func (l *Local) notOpen(ctx context.Context, c *pg.Conn) error {
	phase, err := c.Value(ctx, "SELECT phase FROM replicator.job WHERE job = $1", l.cfg.Job)
	if err == nil && phase == string(status.Open) {
		err = fault.New(fault.Fenced, errors.New("the target is open: its large objects are its own"), "")
	}
	return err
}

// FrameBytes implements ChunkWriter.
func (w *objectWriter) FrameBytes() int { return frameBytes }

// Seal implements ChunkWriter.
func (w *objectWriter) Seal(seq uint64, room []byte) []byte {
	return frame.SealPlain(room, frame.Header{Kind: frame.Rows, Seq: seq})
}

// Write implements ChunkWriter.
func (w *objectWriter) Write(ctx context.Context, sealed []byte) error {
	raw, err := w.sum.open(sealed)
	if err != nil {
		return fmt.Errorf("large objects: %w", err)
	}
	if err := w.w.Pages(ctx, raw); err != nil {
		return err
	}
	w.end.cfg.Hook("target: large objects half written")
	return nil
}

// Commit implements ChunkWriter. There is no receipt: what is written is compared with the source by the
// next round.
func (w *objectWriter) Commit(ctx context.Context, r chunker.Receipt) error {
	rows, err := w.w.Finish(ctx)
	if err == nil {
		err = w.sum.check(&r, rows)
	}
	if err == nil {
		w.end.cfg.Hook("target: large objects before commit")
		err = w.conn.Exec(ctx, "COMMIT")
	}
	if err != nil {
		w.Abort()
		return fmt.Errorf("commit large objects: %w", err)
	}
	w.ended = true
	w.end.cfg.Hook("target: large objects after commit")
	w.end.plain.give(w.conn)
	return nil
}

// Abort implements ChunkWriter.
func (w *objectWriter) Abort() {
	if !w.ended {
		w.ended = true
		w.end.plain.rollback(w.conn)
	}
}
