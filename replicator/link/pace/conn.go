package pace

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a connection that waits for a Limiter before it writes, and measures. It stands between
// TCP and TLS.
type Conn struct {
	net.Conn
	limit *Limiter // nil: no cap

	received, written    atomic.Int64
	waiting, busy, timed stopwatch

	late   deadline
	closed chan struct{}
	close  func()
}

// NewConn puts a Conn on c, which it then owns. A nil limiter caps nothing.
func NewConn(c net.Conn, limit *Limiter) *Conn {
	closed := make(chan struct{})
	return &Conn{Conn: c, limit: limit, closed: closed, close: sync.OnceFunc(func() { close(closed) }), late: newDeadline()}
}

// Received is how many bytes were read.
func (c *Conn) Received() int64 { return c.received.Load() }

// Written is how many bytes were written.
func (c *Conn) Written() int64 { return c.written.Load() }

// Waited is the time spent in Read so far, a Read that has not returned included: the other side had
// nothing to say, or the wire brought it no faster.
func (c *Conn) Waited() time.Duration { return c.waiting.sum() }

// Blocked is the time spent in Write so far, a Write that has not returned included: the wire, or the
// other side, took bytes no faster, or the limiter held them back.
func (c *Conn) Blocked() time.Duration { return c.busy.sum() }

// Held is the part of Blocked that was spent waiting for the limiter.
func (c *Conn) Held() time.Duration { return c.timed.sum() }

func (c *Conn) Read(b []byte) (int, error) {
	c.waiting.start()
	defer c.waiting.stop()
	n, err := c.Conn.Read(b)
	c.received.Add(int64(n))
	return n, err
}

// Write writes b in pieces, as the limiter lets it. It ends when the connection is closed or its
// write deadline passes, also while it waits.
func (c *Conn) Write(b []byte) (n int, err error) {
	c.busy.start()
	defer c.busy.stop()
	for {
		k, err := c.hold(len(b) - n)
		if err != nil {
			return n, err
		}
		k, err = c.Conn.Write(b[n : n+k])
		c.written.Add(int64(k))
		n += k
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// hold waits until some of n bytes may be written.
func (c *Conn) hold(n int) (int, error) {
	if c.limit == nil || n == 0 {
		return n, nil
	}
	c.timed.start()
	defer c.timed.stop()
	if k, ok := c.limit.take(n, c.closed, c.late.passed()); ok {
		return k, nil
	}
	select {
	case <-c.closed:
		return 0, c.failed(net.ErrClosed)
	default:
		return 0, c.failed(os.ErrDeadlineExceeded)
	}
}

// failed is an error as package net has it.
func (c *Conn) failed(err error) error {
	return &net.OpError{Op: "write", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// SetDeadline is that of net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.late.set(t)
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline is that of net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.late.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// CloseWrite ends the sending half, where the connection has halves.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close closes the connection. It may be called more than once.
func (c *Conn) Close() error {
	c.close()
	c.late.set(time.Time{})
	return c.Conn.Close()
}
