package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Name is the socket's file name in the state directory.
const Name = "control.sock"

// ErrNotRunning says that no engine listens in a state directory.
var ErrNotRunning = errors.New("no engine is running on this state directory")

// longestPath is what sun_path holds on every system that we know (108 bytes on Linux, 104 on the
// BSDs, the final zero included).
const longestPath = 100

// socketPath is a path to file in dir that fits into a socket address. Where the plain one is too
// long it goes through an open descriptor of the directory, /proc/self/fd/N/file, which the kernel
// resolves like any other path. done must be called after the path was used; the socket does not
// need it any more then.
func socketPath(dir, file string) (path string, done func(), err error) {
	path = filepath.Join(dir, file)
	if len(path) <= longestPath {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(d.Fd())), file), func() { d.Close() }, nil
}

// listen makes the socket. It is bound under another name, closed to others, and renamed: who finds
// it by its name finds it complete, and a stale one of an engine that was killed is replaced.
func listen(dir string) (net.Listener, error) {
	const temporary = Name + ".new"
	if err := os.Remove(filepath.Join(dir, temporary)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	path, done, err := socketPath(dir, temporary)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, withoutPath(err)
	}
	l.SetUnlinkOnClose(false) // its name is no longer the one it was bound to
	err = os.Chmod(filepath.Join(dir, temporary), 0o600)
	if err == nil {
		err = os.Rename(filepath.Join(dir, temporary), filepath.Join(dir, Name))
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// dial connects to the engine's socket.
func dial(ctx context.Context, dir string) (net.Conn, error) {
	path, done, err := socketPath(dir, Name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, ErrNotRunning
	case err != nil:
		return nil, withoutPath(err)
	}
	return c, nil
}

// withoutPath drops the address, which may be one of ours through /proc.
func withoutPath(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("control socket: %s: %w", op.Op, op.Err)
	}
	return fmt.Errorf("control socket: %w", err)
}
