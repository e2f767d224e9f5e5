package replicator

import (
	"context"

	"replicator/checksum"
	"replicator/checksum/frame"
	"replicator/replicator/target"
)

// frameBytes is how much of a chunk goes into one frame: large enough that a digest and a hand-over
// a frame cost nothing, small enough that a worker's buffers stay small.
const frameBytes = 256 << 10

// framesAhead is how many frames a reader may be ahead of the writer, so that neither waits for the
// other's pauses. With the one being filled and the one being written a worker holds
// (framesAhead + 2) * frameBytes; a row larger than that is held whole.
const framesAhead = 2

// sealer turns the bytes of one chunk into sealed frames and hands them to the target, in a
// goroutine of its own.
type sealer struct {
	digest *checksum.Hasher
	bytes  int64

	raw    []byte
	seq    uint64
	full   chan []byte // sealed frames on their way
	empty  chan []byte // buffers to seal into; has room for all of them
	broken chan struct{}
	gone   chan struct{}
	err    error // of the target; set before broken is closed
}

func newSealer(ctx context.Context, w target.ChunkWriter) *sealer {
	s := &sealer{
		digest: checksum.NewHasher(), raw: make([]byte, 0, frameBytes),
		full: make(chan []byte, framesAhead), empty: make(chan []byte, framesAhead+2),
		broken: make(chan struct{}), gone: make(chan struct{}),
	}
	for range cap(s.empty) {
		s.empty <- nil
	}
	go s.send(ctx, w)
	return s
}

// send hands frames on until there are no more; after an error it only takes them.
func (s *sealer) send(ctx context.Context, w target.ChunkWriter) {
	defer close(s.gone)
	for f := range s.full {
		if s.err == nil {
			if s.err = w.Write(ctx, f); s.err != nil {
				close(s.broken)
			}
		}
		s.empty <- f
	}
}

// Write takes bytes as COPY gives them.
func (s *sealer) Write(p []byte) (int, error) {
	if len(s.raw)+len(p) > frameBytes && len(s.raw) > 0 {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	s.raw = append(s.raw, p...)
	return len(p), nil
}

// flush seals what is there and sends it on.
func (s *sealer) flush() error {
	select {
	case <-s.broken:
		return s.err
	default:
	}
	_, _ = s.digest.Write(s.raw)
	s.bytes += int64(len(s.raw))
	buf := <-s.empty
	if cap(buf) > 4*frameBytes {
		buf = nil // one large row must not be held for the rest of the chunk
	}
	s.full <- frame.Seal(buf[:0], frame.Header{Kind: frame.Rows, Seq: s.seq}, s.raw, nil)
	s.seq++
	if cap(s.raw) > 4*frameBytes {
		s.raw = make([]byte, 0, frameBytes)
	}
	s.raw = s.raw[:0]
	return nil
}

// Close sends what is left and waits until the target has taken it.
func (s *sealer) Close() error {
	var err error
	if len(s.raw) > 0 {
		err = s.flush()
	}
	close(s.full)
	<-s.gone
	if s.err != nil {
		return s.err
	}
	return err
}
