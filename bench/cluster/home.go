package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	homePattern = "replicator-pg-*"
	aliveFile   = "alive.lock"
	// maxSocketDir leaves room for "/.s.PGSQL.65535.lock" in the 107 bytes of a socket address.
	maxSocketDir = 85
)

// home is a cluster's directory: data, log and socket. While its process lives it holds a lock in
// there; a directory of ours that nobody has locked is left over and may be removed.
type home struct {
	dir   string
	alive *fileLock
}

func (h home) data() string { return filepath.Join(h.dir, "data") }

// makeHome takes cfg.Dir, which must be empty or absent, or makes a fresh one.
func makeHome(ctx context.Context, cfg Config, cache string, o owner) (home, error) {
	// Under one lock: a sweep must not find a directory between its making and its locking.
	l, err := lock(ctx, filepath.Join(cache, "homes.lock"))
	if err != nil {
		return home{}, err
	}
	defer l.release()
	dir := cfg.Dir
	if dir == "" {
		sweep()
		dir, err = os.MkdirTemp(cfg.parent(), homePattern)
	} else {
		dir, err = emptyDir(dir)
	}
	if err != nil {
		return home{}, fmt.Errorf("make cluster directory: %w", err)
	}
	h := home{dir: dir}
	if h.alive, err = tryLock(filepath.Join(dir, aliveFile)); err != nil {
		return home{}, fmt.Errorf("lock cluster directory: %w", err)
	}
	if err := o.own(dir); err != nil {
		return home{}, errors.Join(err, h.remove())
	}
	if !o.reaches(dir) || len(dir) > maxSocketDir {
		err := fmt.Errorf("%s will not do: the server's user must be able to enter it, and a socket's path to fit", dir)
		return home{}, errors.Join(err, h.remove())
	}
	return h, nil
}

func emptyDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty", dir)
	}
	return dir, nil
}

// sweep removes what killed processes left in the temporary directory and in memory. What cannot be
// removed is somebody else's, and the next sweep's.
func sweep() {
	var left []string
	for _, parent := range []string{os.TempDir(), memoryDir} {
		found, err := filepath.Glob(filepath.Join(parent, homePattern))
		if err != nil {
			return
		}
		left = append(left, found...)
	}
	for _, dir := range left {
		// Without O_CREATE: its owner may be removing it right now.
		if l, err := tryLockFile(filepath.Join(dir, aliveFile), os.O_RDWR); err == nil {
			_ = os.RemoveAll(dir)
			l.release()
		}
	}
}

func (h home) remove() error {
	err := os.RemoveAll(h.dir)
	h.alive.release()
	return err
}
