package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"replicator/chunker"
	"replicator/replicator/apply"
	"replicator/replicator/target"
)

// committing bounds the chunks of one connection that commit while the next one is on its way.
const committing = 8

// intake is one data connection at the target end.
type intake struct {
	s      *session
	w      *wire
	slots  chan struct{} // one for each commit under way
	ends   sync.WaitGroup
	open   target.ChunkWriter // of the chunk under way; nil: there is none, or it was refused
	key    chunkKey
	call   uint64
	opened bool // the chunk's first message was met, its last was not
}

// chunks writes what comes over w until it ends.
func (s *session) chunks(ctx context.Context, w *wire) error {
	in := &intake{s: s, w: w, slots: make(chan struct{}, committing)}
	defer in.ends.Wait()
	defer in.abort()
	var buf []byte
	for {
		began := time.Now()
		h, body, err := w.read(buf)
		if in.opened {
			s.load.waited(time.Since(began))
		}
		if err != nil {
			return err
		}
		buf = kept(body)
		if err := in.take(ctx, h, body); err != nil {
			return err
		}
	}
}

// kept is the buffer that the next message is read into: what one huge value took is not kept.
func kept(b []byte) []byte {
	if cap(b) > recycled {
		return nil
	}
	return b
}

const recycled = 8 << 20

func (in *intake) take(ctx context.Context, h header, body []byte) error {
	if h.kind != kindBegin && (!in.opened || h.call != in.call) {
		return damaged("kind %d of a chunk that has not begun", h.kind)
	}
	switch h.kind {
	case kindBegin:
		return in.begin(ctx, h, body)
	case kindRows:
		in.rows(ctx, body)
	case kindCommit:
		return in.commit(ctx, h, body)
	case kindAbort:
		in.abort()
	default:
		return damaged("kind %d on a data connection", h.kind)
	}
	return nil
}

// begin opens a chunk. An orphan of the same chunk, whose connection broke, ends first: its commit
// may still go through.
func (in *intake) begin(ctx context.Context, h header, body []byte) error {
	var b chunkBegin
	if err := unpack(h.flags, body, &b); err != nil {
		return err
	}
	if in.opened || !b.valid() {
		return damaged("a chunk begins where none can")
	}
	in.call, in.opened, in.key = h.call, true, b.key()
	err := in.s.fenced(h.epoch)
	if err == nil {
		err = in.s.awaitWriters(ctx, in.key)
	}
	if err == nil {
		in.open, err = in.s.write(ctx, &b)
	}
	if err != nil {
		return in.refuse(err)
	}
	in.s.enter(in.key)
	return nil
}

func (s *session) write(ctx context.Context, b *chunkBegin) (target.ChunkWriter, error) {
	if b.Objects != nil {
		return s.end.WriteLargeObjects(ctx, b.Objects)
	}
	return s.end.Chunk(ctx, b.Table, b.Chunk, b.Replace)
}

// rows writes a frame. What follows of a chunk that failed is passed over until its end.
func (in *intake) rows(ctx context.Context, body []byte) {
	if in.open == nil {
		return
	}
	began := time.Now()
	err := in.open.Write(ctx, body)
	in.s.load.wrote(time.Since(began))
	if err != nil {
		in.drop()
		_ = in.refuse(err) // a broken connection shows where it is read
	}
}

// refuse tells why a chunk fails.
func (in *intake) refuse(err error) error {
	return in.w.send(kindResult, 0, in.call, result{Failure: newFailure(err)})
}

// commit commits beside the next chunk.
func (in *intake) commit(ctx context.Context, h header, body []byte) error {
	var r chunker.Receipt
	if err := unpack(h.flags, body, &r); err != nil {
		return err
	}
	in.opened = false
	if in.open == nil {
		return nil // refused already
	}
	select {
	case in.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	w, key, call := in.open, in.key, in.call
	in.open = nil
	in.ends.Go(func() {
		err := w.Commit(ctx, r)
		in.s.exit(key)
		<-in.slots
		_ = in.w.send(kindResult, 0, call, result{Failure: newFailure(err)})
	})
	return nil
}

func (in *intake) abort() {
	in.drop()
	in.opened = false
}

func (in *intake) drop() {
	if in.open != nil {
		in.open.Abort()
		in.s.exit(in.key)
		in.open = nil
	}
}

// enter and exit count who writes a chunk.
func (s *session) enter(k chunkKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writers[k]++
}

func (s *session) exit(k chunkKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writers[k]--; s.writers[k] == 0 {
		delete(s.writers, k)
	}
	close(s.left)
	s.left = make(chan struct{})
}

// awaitWriters waits until nobody writes a chunk any more.
func (s *session) awaitWriters(ctx context.Context, k chunkKey) error {
	return s.await(ctx, func(w chunkKey) bool { return w == k })
}

// awaitTable waits until nobody writes any chunk of a table.
func (s *session) awaitTable(ctx context.Context, table int) error {
	return s.await(ctx, func(w chunkKey) bool { return w.table == table })
}

func (s *session) await(ctx context.Context, match func(chunkKey) bool) error {
	for {
		s.mu.Lock()
		busy, left := false, s.left
		for k := range s.writers {
			busy = busy || match(k)
		}
		s.mu.Unlock()
		if !busy {
			return nil
		}
		select {
		case <-left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follow applies what comes over w.
func (s *session) follow(ctx context.Context, w *wire) error {
	h, body, err := w.read(nil)
	if err != nil {
		return err
	}
	var b followBegin
	if err := unpack(h.flags, body, &b); err != nil {
		return err
	}
	if h.kind != kindFollow {
		return damaged("kind %d where changes are to follow", h.kind)
	}
	ctx, done := s.register(ctx, h.call)
	// An orphan whose connection broke ends before the position is read.
	s.changing.Lock()
	defer s.changing.Unlock()
	var res apply.Result
	if err = s.fenced(h.epoch); err == nil {
		p := newTeller(w, h.call)
		cfg := b.config()
		cfg.Report = p.tell
		res, err = s.end.Follow(ctx, cfg, &frames{s: s, w: w, call: h.call})
		p.close()
	}
	value, _ := jsonOf(res)
	done(result{Value: value, Failure: newFailure(err)}, w)
	s.forget(h.call) // it goes with its connection, and comes again as another call
	return nil
}

// frames is the connection as apply's source. TCP holds the sender back while apply is busy.
type frames struct {
	s    *session
	w    *wire
	call uint64
	buf  []byte
}

// Next implements apply.Source.
func (f *frames) Next(ctx context.Context) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = f.w.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	h, body, err := f.w.read(f.buf)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF // an end that nobody announced
	case err != nil:
		return nil, err
	case h.call != f.call:
		return nil, damaged("changes of another following")
	case h.kind == kindEnd:
		return nil, io.EOF
	case h.kind != kindChange:
		return nil, damaged("kind %d among changes", h.kind)
	}
	if err := f.s.fenced(h.epoch); err != nil {
		return nil, fmt.Errorf("next changes: %w", err)
	}
	f.buf = kept(body)
	return body, nil
}
