package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
)

// Ports are taken from below the kernel's ephemeral range (32768 and up by default): a stopped
// server must find its port free again, and the kernel lends ephemeral ones to any client.
const (
	firstPort = 21000
	lastPort  = 32000
)

// reservePort finds a free port and holds a lock on it, so that other processes which also use
// this package leave it alone while its server is down.
func reservePort(cache string, want int) (int, *fileLock, error) {
	if want != 0 {
		l, err := tryPort(cache, want)
		return want, l, err
	}
	start := rand.IntN(lastPort - firstPort)
	for i := range lastPort - firstPort {
		port := firstPort + (start+i)%(lastPort-firstPort)
		if l, err := tryPort(cache, port); err == nil {
			return port, l, nil
		}
	}
	return 0, nil, errors.New("no free port")
}

func tryPort(cache string, port int) (*fileLock, error) {
	l, err := tryLock(filepath.Join(cache, fmt.Sprintf("port-%d.lock", port)))
	if err != nil {
		return nil, fmt.Errorf("port %d: %w", port, err)
	}
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		l.release()
		return nil, fmt.Errorf("port %d: %w", port, err)
	}
	return l, ln.Close()
}
