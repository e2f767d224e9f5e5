package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum"
)

// guard remembers, beside Pebble, how many writes the store has acknowledged. Pebble takes damage at
// the end of its log, or anywhere in its manifest, for the end of an unfinished write and opens an
// older state without a word; such a state has counted fewer writes.
//
// The file GUARD holds two slots of 40 bytes, a count (big-endian) and the BLAKE3 of its 8 bytes.
// They are written in turn, so a torn write leaves the other one.
type guard struct {
	file  vfs.File
	count uint64
}

const (
	guardName = "GUARD"
	guardSlot = 40
)

var errGuard = errors.New("the store is older than what it has acknowledged, or its guard is damaged")

// openGuard reads the guard and holds it against the count that Pebble has; fresh says that Pebble
// has none. The file is left open for writing unless readOnly.
func openGuard(fs vfs.FS, dir string, count uint64, fresh, readOnly bool) (*guard, error) {
	path := fs.PathJoin(dir, guardName)
	b, err := readGuard(fs, path)
	switch {
	case oserror.IsNotExist(err):
		if !fresh {
			return nil, errGuard
		}
	case err != nil:
		return nil, err
	default:
		at, ok := guarded(b)
		// A store that was killed while it was made may have half a guard, and nothing to lose.
		if !ok && !fresh || at > count {
			return nil, errGuard
		}
	}
	if readOnly {
		return &guard{count: count}, nil
	}
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	if fd := f.Fd(); fd != vfs.InvalidFd {
		err = syscall.Fchmod(int(fd), 0o600)
	}
	g := &guard{file: f, count: count}
	if err == nil {
		err = g.set(count)
	}
	if err == nil {
		err = syncDir(fs, dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return g, nil
}

func readGuard(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// guarded is the larger of the counts that are whole.
func guarded(b []byte) (count uint64, ok bool) {
	for ; len(b) >= guardSlot; b = b[guardSlot:] {
		if checksum.Sum(b[:8]) == checksum.Digest(b[8:guardSlot]) {
			count, ok = max(count, binary.BigEndian.Uint64(b)), true
		}
	}
	return count, ok
}

// set makes count durable.
func (g *guard) set(count uint64) error {
	b := binary.BigEndian.AppendUint64(nil, count)
	d := checksum.Sum(b)
	if _, err := g.file.WriteAt(append(b, d[:]...), int64(count%2)*guardSlot); err != nil {
		return fmt.Errorf("write guard: %w", err)
	}
	if err := g.file.SyncData(); err != nil {
		return fmt.Errorf("fsync guard: %w", err)
	}
	g.count = count
	return nil
}

func (g *guard) close() error {
	if g == nil || g.file == nil {
		return nil
	}
	return g.file.Close()
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
