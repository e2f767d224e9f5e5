package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"replicator/checksum/frame"
	"replicator/chunker"
	"replicator/replicator/pg"
)

// Reset implements End.
func (l *Local) Reset(ctx context.Context, t *chunker.Table) error {
	err := l.transaction(ctx, l.writers, func(c *pg.Conn) error {
		if err := l.empty(ctx, c, t); err != nil {
			return err
		}
		_, err := c.Query(ctx, "DELETE FROM replicator.receipt WHERE job = $1 AND tbl = $2::int", l.cfg.Job, strconv.Itoa(t.Ordinal))
		return err
	})
	if err != nil {
		return fmt.Errorf("start %s over: %w", t, err)
	}
	return nil
}

// empty truncates t where that is allowed and deletes its rows where it is not: without the right,
// or with a foreign key from elsewhere.
func (l *Local) empty(ctx context.Context, c *pg.Conn, t *chunker.Table) error {
	if err := c.Exec(ctx, "SAVEPOINT empty; TRUNCATE ONLY "+t.Qualified()); err == nil || (pg.State(err) != "42501" && pg.State(err) != "0A000") {
		return err
	}
	return c.Exec(ctx, "ROLLBACK TO SAVEPOINT empty; DELETE FROM ONLY "+t.Qualified())
}

// chunkWriter is a transaction with a COPY in it, fed with frames through a pipe.
type chunkWriter struct {
	end   *Local
	conn  *pg.Conn
	table *chunker.Table
	chunk *chunker.Chunk

	sum    *arrived
	pipe   *io.PipeWriter
	result chan copied // what became of the COPY
	ended  bool
}

type copied struct {
	rows int64
	err  error
}

// Chunk implements End.
func (l *Local) Chunk(ctx context.Context, t *chunker.Table, c *chunker.Chunk, replace bool) (ChunkWriter, error) {
	conn, err := l.writers.take(ctx)
	if err != nil {
		return nil, err
	}
	w := &chunkWriter{end: l, conn: conn, table: t, chunk: c, sum: newArrived(), result: make(chan copied, 1)}
	if err := w.begin(ctx, replace); err != nil {
		w.rollback()
		return nil, fmt.Errorf("begin chunk %d of %s: %w", c.Ordinal, t, err)
	}
	r, p := io.Pipe()
	w.pipe = p
	go func() {
		rows, err := conn.CopyFrom(ctx, r, chunker.CopyIn(t))
		r.CloseWithError(cmp.Or(err, io.ErrClosedPipe)) // a COPY that ended takes no more
		w.result <- copied{rows, err}
	}()
	return w, nil
}

func (w *chunkWriter) begin(ctx context.Context, replace bool) error {
	if err := w.end.fenceAfter(ctx, w.conn, "BEGIN; "); err != nil {
		return err
	}
	if !replace {
		return nil
	}
	where := "true"
	if w.chunk.Kind == chunker.Range {
		where = w.chunk.Where(w.table)
	}
	if err := w.conn.Exec(ctx, fmt.Sprintf("DELETE FROM ONLY %s WHERE %s", w.table.Qualified(), where)); err != nil {
		return err
	}
	_, err := w.conn.Query(ctx, "DELETE FROM replicator.receipt WHERE job = $1 AND tbl = $2::int AND chunk = $3::int",
		w.end.cfg.Job, strconv.Itoa(w.chunk.Table), strconv.Itoa(w.chunk.Ordinal))
	return err
}

// frameBytes is how much of a chunk goes into one frame in the same process: large enough that a
// digest and a hand-over a frame cost nothing, small enough that a worker's buffers stay small.
const frameBytes = 256 << 10

// FrameBytes implements ChunkWriter.
func (w *chunkWriter) FrameBytes() int { return frameBytes }

// Seal implements ChunkWriter. Between two goroutines nothing is gained by compressing.
func (w *chunkWriter) Seal(seq uint64, room []byte) []byte {
	return frame.SealPlain(room, frame.Header{Kind: frame.Rows, Seq: seq})
}

// Write implements ChunkWriter. It returns when the COPY has taken the bytes.
func (w *chunkWriter) Write(_ context.Context, sealed []byte) error {
	raw, err := w.sum.open(sealed)
	if err != nil {
		return fmt.Errorf("chunk %d of %s: %w", w.chunk.Ordinal, w.table, err)
	}
	if _, err := w.pipe.Write(raw); err != nil {
		return fmt.Errorf("copy into %s chunk %d: %w", w.table, w.chunk.Ordinal, err)
	}
	return nil
}

// Commit implements ChunkWriter.
func (w *chunkWriter) Commit(ctx context.Context, r chunker.Receipt) error {
	w.pipe.Close()
	res := <-w.result
	w.ended = true
	err := res.err
	if err == nil {
		err = w.sum.check(&r, res.rows)
	}
	if err == nil {
		err = w.end.writeReceipt(ctx, w.conn, &r)
	}
	if err == nil {
		w.end.cfg.Hook("target: chunk before commit")
		err = w.conn.Exec(ctx, "COMMIT")
	}
	if err != nil {
		w.rollback()
		return fmt.Errorf("commit chunk %d of %s: %w", r.Chunk, w.table, err)
	}
	w.end.cfg.Hook("target: chunk after commit")
	w.end.writers.give(w.conn)
	return nil
}

// Abort implements ChunkWriter.
func (w *chunkWriter) Abort() {
	if w.ended {
		return
	}
	w.ended = true
	w.pipe.CloseWithError(errAborted)
	<-w.result
	w.rollback()
}

var errAborted = errors.New("chunk aborted")

func (w *chunkWriter) rollback() { w.end.writers.rollback(w.conn) }
