package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockPoll is how often a taken lock is tried again; flock itself could not be interrupted.
const lockPoll = 20 * time.Millisecond

// fileLock is an flock on a file of its own. The kernel releases it when this process ends.
type fileLock struct{ f *os.File }

// errLocked says that somebody else holds the lock.
var errLocked = errors.New("locked by another process")

// tryLock takes the lock of path, or returns errLocked.
func tryLock(path string) (*fileLock, error) { return tryLockFile(path, os.O_RDWR|os.O_CREATE) }

func tryLockFile(path string, flags int) (*fileLock, error) {
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errLocked
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &fileLock{f}, nil
}

// lock waits for the lock of path.
func lock(ctx context.Context, path string) (*fileLock, error) {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		l, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: %w", path, ctx.Err())
		case <-tick.C:
		}
	}
}

// release may be called on nil and twice. Nothing is written through f, so its error says nothing.
func (l *fileLock) release() {
	if l != nil {
		_ = l.f.Close()
	}
}
