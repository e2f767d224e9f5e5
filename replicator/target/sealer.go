package target

import (
	"context"

	"replicator/checksum"
	"replicator/checksum/frame"
)

// buffersAhead is how many buffers of rows a reader may be ahead of the sealing, so that neither waits
// for the other's pauses. With the one being filled and the one being sealed a worker holds
// (buffersAhead + 2) * FrameBytes of rows and one sealed frame; a row larger than that is held whole.
const buffersAhead = 1

// Sealer turns the bytes of one chunk into sealed frames and hands them to the target, in a
// goroutine of its own. It is an io.Writer for [chunker.Read]; Bytes and Digest hold once it is closed.
type Sealer struct {
	w      ChunkWriter
	size   int              // of a frame's rows
	digest *checksum.Hasher // of the frames' digests
	bytes  int64

	room   []byte      // for a frame's header, then rows
	full   chan []byte // rows on their way
	empty  chan []byte // buffers to fill; has room for all of them
	broken chan struct{}
	gone   chan struct{}
	err    error // of the target; set before broken is closed
}

// NewSealer begins; Close ends it.
func NewSealer(ctx context.Context, w ChunkWriter) *Sealer {
	s := &Sealer{
		w: w, size: w.FrameBytes(), digest: checksum.NewHasher(),
		full: make(chan []byte, buffersAhead), empty: make(chan []byte, buffersAhead+1),
		broken: make(chan struct{}), gone: make(chan struct{}),
	}
	for range cap(s.empty) {
		s.empty <- nil
	}
	s.room = roomIn(nil)
	go s.send(ctx)
	return s
}

// send seals rows and hands them on until there are no more; after an error it only takes them.
func (s *Sealer) send(ctx context.Context) {
	defer close(s.gone)
	seq := uint64(0)
	for room := range s.full {
		if s.err == nil {
			s.bytes += int64(len(room) - frame.HeaderSize)
			sealed := s.w.Seal(seq, room)
			d := frame.DigestOf(sealed)
			_, _ = s.digest.Write(d[:])
			seq++
			if s.err = s.w.Write(ctx, sealed); s.err != nil {
				close(s.broken)
			}
		}
		s.empty <- s.kept(room)
	}
}

// kept is a buffer to be used again: one that a large row has blown up is not held for the rest of
// the chunk.
func (s *Sealer) kept(b []byte) []byte {
	if cap(b) > 4*s.size {
		return nil
	}
	return b[:0]
}

// roomIn leaves room for a header in a buffer to be filled.
func roomIn(b []byte) []byte { return append(b, make([]byte, frame.HeaderSize)...) }

// Write takes bytes as COPY gives them: whole rows, so that a frame ends with one.
func (s *Sealer) Write(p []byte) (int, error) {
	if rows := len(s.room) - frame.HeaderSize; rows+len(p) > s.size && rows > 0 {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	s.room = append(s.room, p...)
	return len(p), nil
}

// flush hands over what is there.
func (s *Sealer) flush() error {
	select {
	case <-s.broken:
		return s.err
	default:
	}
	s.full <- s.room
	s.room = roomIn(<-s.empty)
	return nil
}

// Close sends what is left and waits until the target has taken it.
func (s *Sealer) Close() error {
	var err error
	if len(s.room) > frame.HeaderSize {
		err = s.flush()
	}
	close(s.full)
	<-s.gone
	s.room, s.empty = nil, nil // the chunk may wait long for its commit
	if s.err != nil {
		return s.err
	}
	return err
}

// Bytes is how many bytes of rows there were.
func (s *Sealer) Bytes() int64 { return s.bytes }

// Digest is that of the frames, as a receipt has it.
func (s *Sealer) Digest() string { return s.digest.Digest().String() }
