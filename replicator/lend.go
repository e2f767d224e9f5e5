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

// lent is a session until it is given back; before open there may be none in it.
type lent struct {
	*pg.Conn
	l *lender
}

// wait waits for the right to a session.
func (l *lender) wait(ctx context.Context) (*lent, error) {
	select {
	case c := <-l.free:
		return &lent{c, l}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// open sees to it that there is a session; purpose names it where it is opened.
func (c *lent) open(ctx context.Context, purpose string) error {
	if c.Conn != nil && !c.Raw().IsClosed() {
		return nil
	}
	conn, err := c.l.db.Connect(ctx, purpose)
	c.Conn = conn
	return err
}

// take waits for a session that is open.
func (l *lender) take(ctx context.Context, purpose string) (*lent, error) {
	c, err := l.wait(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.open(ctx, purpose); err != nil {
		c.giveBack()
		return nil, err
	}
	return c, nil
}

// giveBack returns the session; only the first call counts. One that is still in a transaction is
// closed.
func (c *lent) giveBack() {
	if c.l == nil {
		return
	}
	conn := c.Conn
	if conn != nil && (conn.Raw().IsClosed() || conn.Raw().TxStatus() != 'I') {
		conn.Close()
		conn = nil
	}
	c.l.free <- conn
	c.l = nil
}

// scan lends a session to a scan, which knows nothing of lenders; given back it comes by unlent.
func (l *lender) scan(ctx context.Context, purpose string) (*pg.Conn, error) {
	c, err := l.take(ctx, purpose)
	if err != nil {
		return nil, err
	}
	return c.Conn, nil
}

func (l *lender) unlent(c *pg.Conn) { (&lent{c, l}).giveBack() }

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
