package apply

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"replicator/wal/pgoutput"
)

// copyFrom is how many rows make COPY worth its round trips.
const copyFrom = 20

// copyHeader begins a binary COPY: signature, no flags, no extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// copyReader writes rows in COPY's format as they are read; only one row is built at a time.
//
// pgconn reads it in a goroutine that may outlive CopyFrom when the connection breaks; close
// makes sure that it does not touch the window any more then.
type copyReader struct {
	mu     sync.Mutex
	closed bool

	rel    *relation
	values []pgoutput.Value
	rows   []int32 // offsets of the rows still to come
	text   bool
	ended  bool
	buf    []byte
	sent   int // of buf
}

func newCopyReader(buf []byte, rel *relation, values []pgoutput.Value, rows []int32, text bool) *copyReader {
	c := &copyReader{rel: rel, values: values, rows: rows, text: text, buf: buf[:0]}
	if !text {
		c.buf = append(c.buf, copyHeader...)
	}
	return c
}

func (c *copyReader) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, io.ErrClosedPipe
	}
	n := 0
	for n < len(p) {
		if c.sent == len(c.buf) && !c.more() {
			break
		}
		m := copy(p[n:], c.buf[c.sent:])
		c.sent += m
		n += m
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// close gives the buffer back; Read fails from then on.
func (c *copyReader) close() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.buf
}

// more builds the next row, or the trailer.
func (c *copyReader) more() bool {
	c.buf, c.sent = c.buf[:0], 0
	switch {
	case len(c.rows) > 0 && c.text:
		c.textRow(c.values[c.rows[0]:])
		c.rows = c.rows[1:]
	case len(c.rows) > 0:
		c.binaryRow(c.values[c.rows[0]:])
		c.rows = c.rows[1:]
	case !c.ended && !c.text:
		c.ended = true
		c.buf = append(c.buf, 0xff, 0xff)
	default:
		return false
	}
	return true
}

func (c *copyReader) binaryRow(row []pgoutput.Value) {
	n := len(c.rel.cols)
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(n))
	for i := range n {
		c.buf = appendField(c.buf, &row[i])
	}
}

func (c *copyReader) textRow(row []pgoutput.Value) {
	for i := range len(c.rel.cols) {
		if i > 0 {
			c.buf = append(c.buf, '\t')
		}
		if row[i].Kind == 'n' {
			c.buf = append(c.buf, `\N`...)
			continue
		}
		for _, b := range row[i].Data {
			switch b {
			case '\\':
				c.buf = append(c.buf, '\\', '\\')
			case '\n':
				c.buf = append(c.buf, '\\', 'n')
			case '\r':
				c.buf = append(c.buf, '\\', 'r')
			case '\t':
				c.buf = append(c.buf, '\\', 't')
			default:
				c.buf = append(c.buf, b)
			}
		}
	}
	c.buf = append(c.buf, '\n')
}

// copyRows inserts rows by COPY.
func (x *executor) copyRows(ctx context.Context, rel *relation, rows []int32, text bool) error {
	if err := x.s.drain(ctx); err != nil {
		return err
	}
	if err := x.s.idle(); err != nil {
		return err
	}
	format := "binary"
	if text {
		format = "text"
	}
	b := &builder{rel: rel}
	sql := fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT %s)", rel.name, b.names(), format)
	r := newCopyReader(x.buf, rel, x.values, rows, text)
	n, err := x.s.conn.CopyFrom(ctx, r, sql)
	x.buf = r.close()
	if err == nil && n != int64(len(rows)) {
		err = fmt.Errorf("COPY took %d rows of %d", n, len(rows)) // a trigger swallowed some
	}
	if err != nil {
		return &failure{rel: rel, tx: -1, err: err}
	}
	return nil
}
