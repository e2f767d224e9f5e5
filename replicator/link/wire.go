package link

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is one connection once its TLS stands: messages out of it in order, messages into it from any
// goroutine. Reading belongs to one goroutine.
type wire struct {
	conn  net.Conn
	ended func() // nil, or called when it is closed

	channel   channel
	side      side // which end this is
	bind, out binding

	in     *bufio.Reader
	got    atomic.Int64 // bytes read, of messages that have not arrived whole as well
	seen   uint64       // sequence number read last
	replay atomic.Int64

	// patience bounds a write, 0 is for as long as it takes: a data connection waits for the target.
	patience time.Duration

	mu   sync.Mutex
	sent uint64
	head [messageHeader]byte
}

// readAhead is the buffer beneath message headers; bodies go past it.
const readAhead = 16 << 10

func newWire(conn net.Conn, c channel, s side) *wire {
	w := &wire{conn: conn, channel: c, side: s}
	w.in = bufio.NewReaderSize(counted{conn, &w.got}, readAhead)
	w.bindTo("", "")
	return w
}

// bindTo says what the messages that follow are about. Nobody reads or writes meanwhile.
func (w *wire) bindTo(job, instance string) {
	w.bind = newBinding(w.channel, w.side.other(), job, instance)
	w.out = newBinding(w.channel, w.side, job, instance)
}

// counted counts what is read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// errGap says that messages are missing on a connection that cannot lose any.
var errGap = errors.New("messages are missing")

// read returns the next message, passing over replays. body is valid until buf is used again.
func (w *wire) read(buf []byte) (header, []byte, error) {
	for {
		h, body, err := readMessage(w.in, w.bind, buf)
		switch {
		case err != nil:
			return h, nil, err
		case h.seq <= w.seen:
			w.replay.Add(1)
		case h.seq > w.seen+1:
			return h, nil, fmt.Errorf("%w: sequence %d after %d", errGap, h.seq, w.seen)
		default:
			w.seen = h.seq
			return h, body, nil
		}
	}
}

// send writes a message with a JSON body.
func (w *wire) send(kind Kind, epoch int64, call uint64, v any) error {
	body, flags, err := pack(v)
	if err != nil {
		return err
	}
	return w.write(header{kind: kind, flags: flags, epoch: epoch, call: call}, body)
}

// write writes a message. After an error the connection is broken.
func (w *wire) write(h header, body []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	h.seq = w.sent
	h.seal(w.head[:], w.out, body)
	if w.patience > 0 {
		_ = w.conn.SetWriteDeadline(time.Now().Add(w.patience))
	}
	if err := writeAll(w.conn, w.head[:], body); err != nil {
		_ = w.conn.Close() // half a message may be out
		return err
	}
	return nil
}

// together is the size up to which header and body go out in one TLS record.
const together = 8 << 10

func writeAll(c net.Conn, head, body []byte) error {
	if len(body) <= together {
		_, err := c.Write(append(append(make([]byte, 0, len(head)+len(body)), head...), body...))
		return err
	}
	if _, err := c.Write(head); err != nil {
		return err
	}
	_, err := c.Write(body)
	return err
}

// close may be called more than once.
func (w *wire) close() {
	_ = w.conn.Close()
	if w.ended != nil {
		w.ended()
	}
}

// The preamble: see the package's documentation.
const (
	preambleText = "replicator link\n"
	preambleSize = len(preambleText) + 2
)

// Version is that of the protocol. Another one is refused: as soon as the two ends meet, days before the
// fence, and not when the one asks for what the other does not know. Version 2 has
// ViewTotals, and Lookup of several tables; in version 3 a chunk's digest is that of its frames' digests.
const Version = 3

func preamble(version uint16) []byte {
	return append([]byte(preambleText), byte(version>>8), byte(version))
}

// errForeign says that the other side speaks something else.
var errForeign = errors.New("the other side does not speak replicator's protocol")

// readPreamble returns the version of the other side.
func readPreamble(r io.Reader) (uint16, error) {
	b := make([]byte, preambleSize)
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, err
	}
	if string(b[:len(preambleText)]) != preambleText {
		return 0, errForeign
	}
	return uint16(b[preambleSize-2])<<8 | uint16(b[preambleSize-1]), nil
}

// Timings of the link. A connection whose other end says nothing for silence counts as dead: a cut
// cable does not close anything.
const (
	pingEvery = time.Second
	silence   = 12 * time.Second
	greeting  = 10 * time.Second // for TLS, preamble and hello together
)
