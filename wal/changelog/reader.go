package changelog

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum"
	"replicator/checksum/frame"
	"replicator/replicator/fault"
	"replicator/wal"
	"replicator/wal/pgoutput"
)

// Reader reads the log from a segment on, in order, as far as it is durable. It belongs to one
// goroutine. The segment that it stands in and all later ones are not trimmed.
type Reader struct {
	log    *Log
	from   wal.LSN
	number uint64 // of the segment it stands in; Log.mu guards changes of it

	reached bool      // a transaction that commits after from was met: nothing is passed over any more
	known   relations // described in what was passed over: the frame before the first that is not
	held    opened    // the frame that comes after that one
	given   opened    // the frame that Next gave last

	file     vfs.File // nil: the segment is not open yet
	off      int64
	seq      uint64
	position wal.LSN
	coat     coat
	chain    *checksum.Hasher
	buf, raw []byte
}

// opened is a frame and what it holds.
type opened struct{ sealed, raw []byte }

// Reader returns a reader that meets every transaction that commits after from, whole. It may meet
// earlier ones too, the first of them without its beginning; frames that hold nothing but those are
// passed over, so that a reader which comes again does not begin where the segment does. ErrTrimmed
// says that some are gone.
func (l *Log) Reader(from wal.LSN) (*Reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	r := &Reader{log: l, from: from, known: relations{}, number: 1}
	if len(l.segs) > 0 {
		oldest := l.segs[0].number
		if r.number = l.start(from); r.number < oldest || oldest > 1 && from < l.oldest() {
			return nil, fault.New(fault.PositionLost,
				fmt.Errorf("read change log after %s: %w: it goes back to %s", from, ErrTrimmed, l.oldest()),
				"the target is older than the change log, as after a restore: replicator seed --reuse goes on with what it holds")
		}
	}
	l.readers[r] = struct{}{}
	return r, nil
}

// Next returns the next sealed frame, its digest checked, without the coat that it has on disk in a
// log with a key; it is valid until the next call. It waits until there is one. Preambles are among the frames: Relation messages that
// may be known already.
func (r *Reader) Next(ctx context.Context) ([]byte, error) {
	if r.held.sealed != nil {
		r.given, r.held = r.held, opened{}
		return r.given.sealed, nil
	}
	for {
		end, next, changed, err := r.limit()
		switch {
		case r.file == nil && end > 0:
			if err := r.open(); err != nil {
				return nil, err
			}
			continue
		case r.off < end:
			if sealed, err := r.read(end); sealed != nil || err != nil {
				return sealed, err
			}
			continue
		case next != nil:
			if err := r.advance(next); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Raw is what the frame holds that Next gave last, valid until the next call: to check a frame is to open it.
func (r *Reader) Raw() []byte { return r.given.raw }

// limit is how far the segment is durable, the header of the one after it, and what to wait for
// when there is neither.
func (r *Reader) limit() (end int64, next *header, changed chan struct{}, err error) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, nil, nil, ErrClosed
	}
	i, ok := l.find(r.number)
	switch {
	case !ok: // the log has no segment yet
	case i == len(l.segs)-1:
		end = l.synced
	default:
		end, next = l.segs[i].size, &l.segs[i+1].header
		h := *next
		next = &h
	}
	return end, next, l.changed, l.broken
}

// read returns the frame at off, nil for one that is passed over.
func (r *Reader) read(end int64) ([]byte, error) {
	if limit := 4 * r.log.opt.FrameBytes; cap(r.buf) > limit || cap(r.raw) > limit {
		r.buf, r.raw = nil, nil // what one huge message took is not kept
	}
	b, err := readFrame(r.file, r.off, end, r.buf, r.coat)
	if err != nil {
		return nil, r.failed(r.off, err)
	}
	r.buf = b
	link := r.coat.link(b) // before the frame is taken out, which overwrites it
	f, h, err := r.unwrap(b)
	if err == nil && !r.reached {
		if err = r.look(f.raw); err == nil {
			f = r.passOver(f, &h)
		}
	}
	if err != nil {
		return nil, r.failed(r.off, err)
	}
	_, _ = r.chain.Write(link[:])
	r.off, r.seq, r.position = r.off+int64(len(b)), r.seq+1, h.Last
	r.given = f
	return f.sealed, nil
}

// look finds out whether r has reached a transaction that commits after from. Where a transaction is
// cut by the frame's end, its Begin, which tells its commit, stands in a frame before the rest.
func (r *Reader) look(raw []byte) error {
	return Records(raw, func(lsn wal.LSN, kind RecordKind, msg []byte) error {
		final, begins := wal.LSN(0), false
		if kind == Message {
			final, begins = pgoutput.BeginFinal(msg)
		}
		switch {
		case begins:
			r.reached = r.reached || final >= r.from
		case kind == Mark, kind == Message && pgoutput.Kind(msg) == 'M':
			r.reached = r.reached || lsn > r.from
		}
		if !r.reached {
			r.known.record(kind, msg)
		}
		return nil
	})
}

// passOver is no frame while nothing is reached. Then it is one, sealed here, that describes the
// relations of all that was passed over, and the frame that was reached is held for the next call.
func (r *Reader) passOver(f opened, h *frame.Header) opened {
	if !r.reached {
		return opened{}
	}
	if len(r.known) == 0 {
		return f
	}
	var raw []byte
	for _, m := range r.known.messages() {
		raw = appendRecord(raw, r.from, Message, m)
	}
	r.known, r.held = nil, f
	return opened{frame.Seal(nil, frame.Header{Kind: frame.Changes, Seq: h.Seq, First: h.First, Last: h.First}, raw, nil), raw}
}

// unwrap takes the next frame out of its coat, in place, and checks it.
func (r *Reader) unwrap(b []byte) (f opened, h frame.Header, err error) {
	f.sealed, err = r.coat.take(b, b)
	if err != nil {
		return f, h, err
	}
	h, f.raw, err = frame.View(f.sealed, r.raw)
	if h.Encoding == frame.Zstd {
		r.raw = f.raw
	}
	if err == nil {
		err = follows(&h, r.seq)
	}
	return f, h, err
}

// open opens the segment and checks that it is the one that the log knows.
func (r *Reader) open() error {
	l := r.log
	l.mu.Lock()
	i, _ := l.find(r.number)
	want := l.segs[i].header
	l.mu.Unlock()
	f, err := l.opt.FS.Open(l.path(r.number), vfs.SequentialReadsOption)
	r.position = want.position
	if oserror.IsNotExist(err) {
		return r.failed(0, fmt.Errorf("%w: segment is missing", ErrCorrupt))
	}
	if err != nil {
		return ioError("open segment", err)
	}
	h, err := readHeader(f, l.opt.Key)
	if err == nil && h != want {
		err = fmt.Errorf("%w: header is not the one it had", ErrCorrupt)
	}
	if err != nil {
		return errors.Join(r.failed(0, err), f.Close())
	}
	r.file, r.off, r.seq = f, segmentHeader, h.seq
	digest := h.encode(l.opt.Key)[segmentDigest:]
	r.coat, r.chain = newCoat(l.opt.Key, digest), checksum.NewHasher()
	_, _ = r.chain.Write(digest)
	return nil
}

// advance goes on to the next segment, if this one's frames are those that it was closed with.
func (r *Reader) advance(next *header) error {
	if r.chain.Digest() != next.chain {
		return r.failed(r.off, fmt.Errorf("%w: chain of digests is broken", ErrCorrupt))
	}
	err := r.file.Close()
	r.file, r.off = nil, 0
	r.log.mu.Lock()
	r.number++
	r.log.mu.Unlock()
	return err
}

// failed is the error of a frame at off that cannot be read, or that is not what was written.
func (r *Reader) failed(off int64, err error) error {
	if isIO(err) {
		return ioError("read change log", err)
	}
	l := r.log
	l.mu.Lock()
	upTo := l.durable
	if i, ok := l.find(r.number + 1); ok {
		upTo = l.segs[i].position
	}
	l.mu.Unlock()
	return corrupt(l.path(r.number), off, r.position, upTo, err)
}

// Close lets the log trim what the reader held.
func (r *Reader) Close() error {
	r.log.mu.Lock()
	delete(r.log.readers, r)
	r.log.mu.Unlock()
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
