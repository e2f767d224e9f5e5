package stream

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// local is the connection by a Unix-domain socket. The kernel cannot gather there, and Go's poller is
// woken for every message even while nobody reads: so the poller does not know this socket. A goroutine
// blocks in reading it, and pauses after a small read while few reads are wanted.
type local struct {
	net.Conn // what was read comes out of this end of a pipe
	in       net.Conn
	file     *os.File
	low      atomic.Int64
	ended    chan struct{}
}

const (
	localBuffer = 128 << 10
	// localPause should be less than it takes a walsender to fill the socket with small messages: by default there is
	// room for some 280. A walsender that finds it full waits, which costs more than being read too often.
	localPause = time.Millisecond
)

// offPoller takes a connection by a Unix-domain socket over; any other stays as it is.
func offPoller(conn net.Conn) (net.Conn, error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return conn, nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, failed := -1, error(nil)
	err = raw.Control(func(s uintptr) { fd, failed = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("duplicate the socket: %w", err)
	}
	err = socket.Close() // the poller forgets it; fd keeps it open
	timeout := unix.NsecToTimeval(writeTimeout.Nanoseconds())
	err = errors.Join(err, unix.SetNonblock(fd, false), unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout))
	file := os.NewFile(uintptr(fd), "socket")
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &local{file: file, ended: make(chan struct{})}
	l.Conn, l.in = net.Pipe()
	go l.collect()
	return l, nil
}

// collect brings what comes until either end closes.
func (l *local) collect() {
	defer close(l.ended)
	defer l.in.Close() // the reader finds the end, as it does where a server is gone
	buf := make([]byte, localBuffer)
	for {
		n, err := l.file.Read(buf)
		if n > 0 {
			if _, err := l.in.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
		if int64(n) < l.low.Load() {
			time.Sleep(localPause)
		}
	}
}

// lowWater has fewer than so many bytes wait a while for more.
func (l *local) lowWater(bytes int) error {
	l.low.Store(int64(bytes))
	return nil
}

// Write does not wait longer than writeTimeout. Its errors are a connection's, not a file's.
func (l *local) Write(b []byte) (int, error) {
	n, err := l.file.Write(b)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		err = os.ErrDeadlineExceeded
	case err != nil:
		err = &net.OpError{Op: "write", Net: "unix", Err: err}
	}
	return n, err
}

// SetWriteDeadline has nothing to do: see Write.
func (l *local) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is that of reading.
func (l *local) SetDeadline(t time.Time) error { return l.SetReadDeadline(t) }

func (l *local) Close() error {
	raw, err := l.file.SyscallConn()
	if err == nil { // a read that waits returns
		err = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	}
	err = errors.Join(err, l.Conn.Close())
	<-l.ended
	return errors.Join(err, l.file.Close())
}
