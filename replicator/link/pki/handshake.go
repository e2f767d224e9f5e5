package pki

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"replicator/replicator/fault"
)

// lingering is how long a connection that was refused stays, for the refusal to arrive.
const lingering = time.Second

// Handshake is conn's handshake with its error explained. The server's refusal reaches a client that
// has begun to send: closed at once, the connection would be reset and the alert lost with it. So a
// side that refuses reads what still comes, for a second at most, before it returns; then the
// connection is to be closed.
func Handshake(ctx context.Context, conn *tls.Conn) error {
	err := Explain(conn.HandshakeContext(ctx))
	if fault.CodeOf(err) == fault.Link {
		linger(conn.NetConn())
	}
	return err
}

// linger ends our side of the connection and reads the other to its end, or for a second.
func linger(raw net.Conn) {
	if half, ok := raw.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = raw.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.Copy(io.Discard, io.LimitReader(raw, 1<<20))
}
