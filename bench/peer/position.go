package peer

import (
	"context"
	"fmt"
	"time"

	"replicator/replicator/pg"
)

// Reader tells how far a target has applied the source's WAL, by a query whose only value is that in
// bytes. A target that is down has not come any further. Close ends it.
type Reader struct {
	Server *Server
	DB     string
	SQL    string
	conn   *pg.Conn
}

// Applied is how far replicator is, by the target's own word.
const Applied = "SELECT min(lsn) - '0/0' FROM replicator.position"

// NativeApplied is how far the subscription is, which its apply worker notes with every commit.
const NativeApplied = `SELECT coalesce(pg_replication_origin_progress('pg_' || oid, false), '0/0') - '0/0' FROM pg_subscription WHERE subname = '` + Subscription + `'`

// Position asks the target.
func (r *Reader) Position(ctx context.Context) (n int64, err error) {
	if r.conn == nil {
		if r.conn, err = r.Server.Open(ctx, r.DB); err != nil {
			r.conn = nil
			return 0, nil //nolint:nilerr // it is down
		}
	}
	v, err := r.conn.Value(ctx, r.SQL)
	if err != nil {
		r.Close()
		return 0, nil //nolint:nilerr // it went down
	}
	_, err = fmt.Sscan(v, &n)
	return n, err
}

// positionPoll is how often the target is asked how far it is.
const positionPoll = 10 * time.Millisecond

// Passes returns when the target has come past a position; it fails when alive does.
func (r *Reader) Passes(ctx context.Context, past int64, alive func() error) error {
	return Until(ctx, positionPoll, func() (bool, error) {
		n, err := r.Position(ctx)
		if err == nil {
			err = alive()
		}
		return n > past, err
	})
}

// Close ends the session; there may be none.
func (r *Reader) Close() {
	if r.conn != nil {
		_ = r.conn.Close() // it only read
	}
	r.conn = nil
}

// End is how far the server's WAL goes, in the same bytes.
func End(ctx context.Context, c *pg.Conn) (n int64, err error) {
	v, err := c.Value(ctx, "SELECT pg_current_wal_insert_lsn() - '0/0'")
	if err == nil {
		_, err = fmt.Sscan(v, &n)
	}
	return n, err
}
