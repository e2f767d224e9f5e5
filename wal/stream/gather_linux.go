package stream

import "syscall"

// lowWater has the socket readable from so many bytes on.
func lowWater(socket syscall.RawConn, bytes int) error {
	var err error
	if e := socket.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	}); e != nil {
		return e
	}
	return err
}
