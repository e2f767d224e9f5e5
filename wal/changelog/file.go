package changelog

import (
	"errors"
	"syscall"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/atrest"
)

// create begins a segment file that only we may read.
func (w *writer) create(fs vfs.FS, path string, h *header, k *atrest.Key) error {
	f, err := fs.Create(path, writeCategory)
	if err != nil {
		return err
	}
	w.file = f
	if fd := f.Fd(); fd != vfs.InvalidFd {
		if err := syscall.Fchmod(int(fd), privateFile); err != nil {
			return err
		}
	}
	b := h.encode(k)
	w.coat = newCoat(k, b[segmentDigest:])
	_, _ = w.chain.Write(b[segmentDigest:])
	n, err := f.WriteAt(b, 0)
	w.size = int64(n)
	return err
}

// discard drops a file that came to nothing.
func (w *writer) discard(fs vfs.FS, path string) error {
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	if e := fs.Remove(path); !oserror.IsNotExist(e) {
		err = errors.Join(err, e)
	}
	return err
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return err
	}
	return d.Close()
}
