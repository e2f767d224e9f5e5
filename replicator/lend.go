package replicator

import (
	"context"

	"replicator/replicator/pg"
	"replicator/replicator/source"
)

// lender lends sessions on the source, a fixed number at once: what the source is asked to bear does
// not depend on how many chunks wait for the target.
type lender struct {
	db   *source.Database
	free chan *pg.Conn // nil is a session that is not open
}

func newLender(db *source.Database, n int) *lender {
	l := &lender{db: db, free: make(chan *pg.Conn, n)}
	for range n {
		l.free <- nil
	}
	return l
}

// lent is a session until it is given back.
type lent struct {
	*pg.Conn
	l *lender
}

// take waits for a session; purpose names it where it is opened.
func (l *lender) take(ctx context.Context, purpose string) (*lent, error) {
	select {
	case c := <-l.free:
		if c != nil && !c.Raw().IsClosed() {
			return &lent{c, l}, nil
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := l.db.Connect(ctx, purpose)
	if err != nil {
		l.free <- nil
		return nil, err
	}
	return &lent{c, l}, nil
}

// giveBack returns the session; only the first call counts. One that is still in a transaction is
// closed.
func (c *lent) giveBack() {
	if c.l == nil {
		return
	}
	conn := c.Conn
	if conn.Raw().IsClosed() || conn.Raw().TxStatus() != 'I' {
		conn.Close()
		conn = nil
	}
	c.l.free <- conn
	c.l = nil
}

// close closes all sessions, which must have been given back.
func (l *lender) close() {
	for range cap(l.free) {
		closeConn(<-l.free)
	}
}

func closeConn(c *pg.Conn) {
	if c != nil {
		c.Close()
	}
}
