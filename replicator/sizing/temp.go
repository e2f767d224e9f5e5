package sizing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"replicator/replicator/fault"
)

// tempName begins the names of directories that hold the dump of a schema, or a change log, for a moment.
const tempName = "replicator-sizing-"

// tempDir makes such a directory and takes its lock, which the kernel releases when this process ends,
// however it does. What is there of processes that have ended is removed.
func tempDir() (dir string, remove func() error, err error) {
	if err := sweepTemp(); err != nil {
		return "", nil, err
	}
	for range lockTries {
		if dir, err = os.MkdirTemp("", tempName); err != nil {
			break
		}
		var lock *os.File
		if lock, err = lockDir(dir); err != nil {
			_ = os.Remove(dir) // whoever took it may have done so
			continue
		}
		if _, err = os.Lstat(dir); err == nil {
			return dir, func() error { return errors.Join(os.RemoveAll(dir), lock.Close()) }, nil
		}
		err = errors.Join(err, lock.Close())
	}
	return "", nil, fault.New(fault.Store, fmt.Errorf("make a temporary directory: %w", err), "")
}

// lockTries is how often a directory may be taken for one of the dead, by another measurement that begins
// between its making and its lock.
const lockTries = 10

// sweepTemp removes directories that nobody has the lock of. Those that are not ours to open stay.
func sweepTemp() error {
	list, err := filepath.Glob(filepath.Join(os.TempDir(), tempName+"*"))
	if err != nil {
		return err
	}
	for _, dir := range list {
		lock, err := lockDir(dir)
		if err != nil {
			continue
		}
		err = os.RemoveAll(dir)
		if err = errors.Join(err, lock.Close()); err != nil {
			return fault.New(fault.Store, fmt.Errorf("remove what a killed measurement has left: %w", err), "")
		}
	}
	return nil
}

// lockDir fails where somebody else has the lock, and where dir is a link or another's.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	i, err := f.Stat()
	if err == nil {
		if s, ok := i.Sys().(*syscall.Stat_t); !ok || int(s.Uid) != os.Geteuid() {
			err = os.ErrPermission
		}
	}
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
