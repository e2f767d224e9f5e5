package link

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"replicator/checksum/frame"
	"replicator/chunker"
	"replicator/replicator/largeobject"
	"replicator/replicator/target"
)

// dataConn is a data connection at the source end. Whoever took it writes to it; its own goroutine
// reads how chunks ended.
type dataConn struct {
	w    *wire
	gone chan struct{} // closed: it is broken, err says why

	mu     sync.Mutex
	chunks map[uint64]chan result // have room for one result
	err    error
}

// take gives a data connection: an idle one, or a new one while there are fewer than Config.Streams.
func (r *Remote) take(ctx context.Context) (*dataConn, error) {
	if err := r.awaitUp(ctx); err != nil {
		return nil, err
	}
	var d *dataConn
	select {
	case d = <-r.data:
	case <-r.gone:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if d != nil && !d.broken() {
		return d, nil
	}
	w, _, err := r.dial(ctx, forData, r.cfg.Limiter)
	if err != nil {
		r.data <- nil
		return nil, err
	}
	d = &dataConn{w: w, gone: make(chan struct{}), chunks: map[uint64]chan result{}}
	if !r.adopt(w) {
		w.close() // the link went down meanwhile; the first write will say so
	}
	r.readers.Go(func() {
		d.read()
		r.drop(w)
	})
	return d, nil
}

// give takes it back.
func (r *Remote) give(d *dataConn) { r.data <- d }

func (d *dataConn) broken() bool {
	select {
	case <-d.gone:
		return true
	default:
		return false
	}
}

// read hands results out until the connection breaks.
func (d *dataConn) read() {
	defer close(d.gone)
	defer d.w.close()
	for {
		h, body, err := d.w.read(nil)
		var res result
		if err == nil {
			err = unpack(h.flags, body, &res)
		}
		if err == nil && h.kind != kindResult {
			err = damaged("kind %d on a data connection", h.kind)
		}
		d.mu.Lock()
		if err != nil {
			d.err = err
			d.mu.Unlock()
			return
		}
		if c := d.chunks[h.call]; c != nil {
			delete(d.chunks, h.call)
			c <- res
		}
		d.mu.Unlock()
	}
}

func (d *dataConn) expect(call uint64) chan result {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := make(chan result, 1)
	d.chunks[call] = c
	return c
}

func (d *dataConn) forget(call uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.chunks, call)
}

// why is why the connection broke.
func (d *dataConn) why(step string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		return lost(step, io.ErrClosedPipe)
	}
	return lost(step, d.err)
}

// chunkWriter sends one chunk.
type chunkWriter struct {
	r      *Remote
	d      *dataConn
	call   uint64
	epoch  int64
	began  []byte // the body of the first message, until that is sent
	flags  byte
	result chan result
	packer *packer
	sealed []byte // the frame sealed last
	name   string // of the table

	frames int64 // sent
	given  bool  // the connection is given back
	over   bool  // committed, or aborted
}

// Chunk implements target.End. Nothing is sent before the first frame: a refusal shows in Write.
func (r *Remote) Chunk(ctx context.Context, t *chunker.Table, c *chunker.Chunk, replace bool) (target.ChunkWriter, error) {
	return r.writer(ctx, chunkBegin{Table: t, Chunk: c, Replace: replace}, t, t.String())
}

// WriteLargeObjects implements target.End, as Chunk does. Pages are no rows with columns to be put in order.
func (r *Remote) WriteLargeObjects(ctx context.Context, b *largeobject.Batch) (target.ChunkWriter, error) {
	return r.writer(ctx, chunkBegin{Objects: b}, &chunker.Table{Text: true}, "large objects")
}

func (r *Remote) writer(ctx context.Context, b chunkBegin, t *chunker.Table, name string) (target.ChunkWriter, error) {
	body, flags, err := pack(b)
	if err != nil {
		return nil, err
	}
	d, err := r.take(ctx)
	if err != nil {
		return nil, err
	}
	w := &chunkWriter{r: r, d: d, call: r.number(), epoch: r.epoch.Load(), began: body, flags: flags, packer: r.packers.take(t), name: name}
	w.result = d.expect(w.call)
	r.gauge.active(1)
	return w, nil
}

// FrameBytes implements target.ChunkWriter.
func (w *chunkWriter) FrameBytes() int { return frameBytes(w.r.cfg.Streams) }

// Columns are put in order frame by frame, which gains little beyond a few MiB. A chunk that is sent
// holds about nine times its frame at either end (rows read ahead, columns, compressed; zstd's own
// memory); together they stay within nine times framesTotal.
const (
	framesTotal = 16 << 20
	mostFrame   = 4 << 20
	leastFrame  = 256 << 10
)

// frameBytes is how much of a chunk goes into one frame.
func frameBytes(streams int) int { return max(leastFrame, min(mostFrame, framesTotal/streams)) }

// Seal implements target.ChunkWriter.
func (w *chunkWriter) Seal(seq uint64, room []byte) []byte {
	if cap(w.sealed) > 4*w.FrameBytes() {
		w.sealed = nil // a large row has blown it up
	}
	began, rows := time.Now(), room[frame.HeaderSize:]
	w.sealed = w.packer.seal(w.sealed[:0], frame.Header{Kind: frame.Rows, Seq: seq}, rows, w.r.gauge.level())
	w.r.gauge.sealed(time.Since(began), len(rows), len(w.sealed))
	return w.sealed
}

// Write implements target.ChunkWriter.
func (w *chunkWriter) Write(ctx context.Context, sealed []byte) error {
	select {
	case res := <-w.result:
		return w.refused(res)
	default:
	}
	if err := w.send(ctx, kindRows, sealed); err != nil {
		return err
	}
	w.frames++
	w.r.cfg.Hook("link: frame sent")
	return nil
}

// send sends a message of the chunk, its first message before.
func (w *chunkWriter) send(ctx context.Context, kind Kind, body []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = w.d.w.conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	err := w.begin()
	if err == nil {
		err = w.d.w.write(header{kind: kind, epoch: w.epoch, call: w.call}, body)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// The target end may have said why before it hung up.
	<-w.d.gone
	select {
	case res := <-w.result:
		return w.refused(res)
	default:
		return w.d.why("send rows of " + w.name)
	}
}

func (w *chunkWriter) begin() error {
	if w.began == nil {
		return nil
	}
	body := w.began
	w.began = nil
	return w.d.w.write(header{kind: kindBegin, flags: w.flags, epoch: w.epoch, call: w.call}, body)
}

// Commit implements target.ChunkWriter. The connection is free for the next chunk while the target
// commits.
func (w *chunkWriter) Commit(ctx context.Context, r chunker.Receipt) error {
	body, flags, err := pack(r)
	if err != nil {
		return err
	}
	if err := w.send(ctx, kindCommit, body); err != nil {
		return err
	}
	_ = flags // a receipt is small
	w.leave()
	w.over = true
	defer w.d.forget(w.call)
	w.r.cfg.Hook("link: chunk sent")
	select {
	case res := <-w.result:
		return w.committed(res)
	case <-w.d.gone:
		select {
		case res := <-w.result:
			return w.committed(res)
		default:
			w.r.gauge.again(w.frames)
			return w.d.why("commit a chunk of " + w.name)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// committed takes the result of a chunk that was sent whole; one that is refused is sent again.
func (w *chunkWriter) committed(res result) error {
	if res.Failure != nil {
		w.r.gauge.again(w.frames)
	}
	return w.refused(res)
}

// refused is the error of the target end, if it is one.
func (w *chunkWriter) refused(res result) error {
	if res.Failure == nil {
		w.r.gauge.whole()
		return nil
	}
	return w.r.damage("rows of "+w.name, res.Failure.err())
}

// leave gives the connection and the packer back.
func (w *chunkWriter) leave() {
	if w.given {
		return
	}
	w.given = true
	w.r.gauge.active(-1)
	w.r.packers.give(w.packer)
	w.sealed = nil // the chunk may wait long for its commit
	w.r.give(w.d)
}

// Abort implements target.ChunkWriter.
func (w *chunkWriter) Abort() {
	if w.over {
		return
	}
	w.over = true
	w.d.forget(w.call)
	w.r.gauge.again(w.frames)
	if w.began == nil && !w.d.broken() {
		_ = w.d.w.write(header{kind: kindAbort, epoch: w.epoch, call: w.call}, nil)
	}
	w.leave()
}

// number is that of the next call.
func (r *Remote) number() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
	return r.sent
}

// damage turns the refusal of a frame that was damaged on its way into a lost connection: it is sent
// again. A link that damages everything is given up.
func (r *Remote) damage(what string, err error) error {
	if !errors.Is(err, frame.ErrCorrupt) {
		return err
	}
	if n := r.gauge.damage(); n > mostDamage {
		return errLinkDamages
	}
	r.cfg.Logger.Warn("damaged on the way, sent again", "what", what)
	return lost("send "+what, errDamaged)
}
