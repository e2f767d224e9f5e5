package stream

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"
)

// Sizes of the read buffer. It grows to the largest message, doubling as bytes really come, and
// shrinks back when it is empty and above keepBuffer.
const (
	firstBuffer = 256 << 10
	keepBuffer  = 4 << 20
	mostMessage = 1<<30 + 1<<10 // PostgreSQL's own limit on a message
)

const headerSize = 5 // kind, and length including itself

// reader cuts the connection's bytes into protocol messages. A deadline that passes loses nothing:
// the next call goes on where it stopped.
type reader struct {
	conn net.Conn
	few  *gatherer // few reads for many messages
	buf  []byte
	r, w int // buf[r:w] has been read and not been given out

	reading atomic.Bool  // inside of conn.Read
	last    atomic.Int64 // when bytes came last, in nanoseconds since 1970
}

func newReader(conn net.Conn) *reader {
	r := &reader{conn: conn, few: newGatherer(conn), buf: make([]byte, firstBuffer)}
	r.last.Store(time.Now().UnixNano())
	return r
}

// next gives a message; body is good until the next call. arm is called before every read from the
// connection, to set its deadline; its error ends next.
func (r *reader) next(arm func() error) (kind byte, body []byte, err error) {
	for {
		need := headerSize
		if r.w-r.r >= headerSize {
			size := binary.BigEndian.Uint32(r.buf[r.r+1:])
			if size < 4 || size > mostMessage {
				return 0, nil, unexpected("protocol message of %d bytes", size)
			}
			need = 1 + int(size)
			if r.w-r.r >= need {
				msg := r.buf[r.r : r.r+need]
				r.r += need
				return msg[0], msg[headerSize:], nil
			}
		}
		if err := r.fill(need, arm); err != nil {
			return 0, nil, err
		}
	}
}

// fill reads once. need is the size of the message at the front.
func (r *reader) fill(need int, arm func() error) error {
	r.makeRoom(need)
	if err := arm(); err != nil {
		return err
	}
	r.reading.Store(true)
	n, err := r.conn.Read(r.buf[r.w:])
	r.reading.Store(false)
	if n == 0 {
		return err
	}
	r.w += n
	now := time.Now()
	r.last.Store(now.UnixNano())
	r.few.read(n, now)
	return nil // an error comes again
}

// makeRoom leaves space behind buf[r.w]: at the front, in place, or in a larger buffer.
func (r *reader) makeRoom(need int) {
	if r.r == r.w {
		r.r, r.w = 0, 0
		if len(r.buf) > keepBuffer && need <= headerSize {
			r.buf = make([]byte, firstBuffer)
		}
		return
	}
	if r.w < len(r.buf) && r.r+need <= len(r.buf) {
		return
	}
	buf := r.buf
	if r.w-r.r == len(buf) { // full of one message's beginning
		buf = make([]byte, min(need, 2*len(buf)))
	}
	r.w = copy(buf, r.buf[r.r:r.w])
	r.r, r.buf = 0, buf
}
