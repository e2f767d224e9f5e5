//go:build !linux

package stream

import (
	"errors"
	"syscall"
)

// lowWater is not tried where poll does not heed it.
func lowWater(syscall.RawConn, int) error { return errors.ErrUnsupported }
