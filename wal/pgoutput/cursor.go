package pgoutput

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"replicator/wal"
)

// ErrCorrupt says that bytes are no pgoutput message. It is never a passing trouble.
var ErrCorrupt = errors.New("corrupt pgoutput message")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// cursor reads a message from the front. The first read past the end marks it short, and all reads
// after that give zeros, so that a decoder asks once, at its end. What is to be allocated by a
// count on the wire is bounded by len(b) before.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.short = nil, true
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) byte() byte {
	if p := c.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) uint16() int {
	if p := c.take(2); p != nil {
		return int(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if p := c.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	if p := c.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

func (c *cursor) lsn() wal.LSN { return wal.LSN(c.uint64()) }

// epoch is PostgreSQL's: 2000-01-01 in microseconds since 1970.
const epoch = 946_684_800_000_000

func (c *cursor) time() time.Time { return time.UnixMicro(int64(c.uint64()) + epoch).UTC() }

// cstring reads up to a zero byte.
func (c *cursor) cstring() []byte {
	i := bytes.IndexByte(c.b, 0)
	if i < 0 {
		c.b, c.short = nil, true
		return nil
	}
	s := c.b[:i]
	c.b = c.b[i+1:]
	return s
}

// schema reads a namespace; the server sends pg_catalog as the empty string.
func (c *cursor) schema() string {
	if s := c.cstring(); len(s) > 0 {
		return string(s)
	}
	return "pg_catalog"
}

// end is the verdict: all bytes are used and none was missing.
func (c *cursor) end() error {
	switch {
	case c.short:
		return corrupt("it is too short")
	case len(c.b) > 0:
		return corrupt("%d bytes too many", len(c.b))
	}
	return nil
}
