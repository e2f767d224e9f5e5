//go:build !linux

package stream

import (
	"errors"
	"net"
	"syscall"
)

// lowWater is not tried where poll does not heed it.
func lowWater(syscall.RawConn, int) error { return errors.ErrUnsupported }

// offPoller leaves a connection where it is.
func offPoller(conn net.Conn) (net.Conn, error) { return conn, nil }
