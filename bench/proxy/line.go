package proxy

import (
	"net"
	"sync"
	"time"
)

// piece is what one read brought.
type piece struct {
	data   []byte
	due    time.Time // when it leaves the line
	last   bool      // the end of the stream; without data
	broken bool      // an end by error
}

// line is the queue of one direction of one connection, bounded in bytes. It has one feeder and
// one drainer.
type line struct {
	most   int
	closed chan struct{}

	mu      sync.Mutex
	changed sync.Cond // pieces or shut
	pieces  []piece
	held    int // bytes in pieces
	shut    bool
}

func newLine(most int) *line {
	l := &line{most: most, closed: make(chan struct{})}
	l.changed.L = &l.mu
	return l
}

// put appends pc when there is room for it, and reports whether the line is still open. An empty
// line has room for any piece.
func (l *line) put(pc piece) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.shut && l.held > 0 && l.held+len(pc.data) > l.most {
		l.changed.Wait()
	}
	l.pieces = append(l.pieces, pc)
	l.held += len(pc.data)
	l.changed.Broadcast()
	return !l.shut
}

// take returns the oldest piece, due or not, when there is one. Its bytes leave the line, so what
// the line holds is what is due later.
func (l *line) take() (piece, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.shut && len(l.pieces) == 0 {
		l.changed.Wait()
	}
	if l.shut {
		return piece{}, false
	}
	pc := l.pieces[0]
	l.pieces[0] = piece{} // frees its bytes
	l.pieces = l.pieces[1:]
	l.held -= len(pc.data)
	l.changed.Broadcast()
	return pc, true
}

// close wakes feeder and drainer; what the line holds is lost.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.shut {
		l.shut = true
		l.pieces, l.held = nil, 0
		close(l.closed)
		l.changed.Broadcast()
	}
}

const (
	slabBytes = 256 << 10
	readBytes = 64 << 10
	leastRead = 4 << 10
)

// slab is memory that reads take one after the other, so that small pieces do not each hold a
// large buffer.
type slab struct{ free []byte }

// read reads up to most bytes, once.
func (s *slab) read(from *net.TCPConn, most int) ([]byte, error) {
	if len(s.free) < leastRead {
		s.free = make([]byte, slabBytes)
	}
	n, err := from.Read(s.free[:min(len(s.free), most)])
	b := s.free[:n:n]
	s.free = s.free[n:]
	return b, err
}
