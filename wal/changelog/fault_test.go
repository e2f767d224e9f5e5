package changelog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"replicator/replicator/fault"
	"replicator/wal"
)

// smallDisk is a file system with so many bytes left; the write that meets the end is cut short.
type smallDisk struct {
	vfs.FS
	left atomic.Int64
}

func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return &smallFile{f, d}, nil
}

type smallFile struct {
	vfs.File
	disk *smallDisk
}

func (f *smallFile) WriteAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), max(0, f.disk.left.Load()))
	f.disk.left.Add(-n)
	k, err := f.File.WriteAt(p[:n], off)
	if err == nil && k < len(p) {
		err = syscall.ENOSPC
	}
	return k, err
}

// TestDiskFull: at any byte. Nothing that Sync refused is lost once there is space, and nothing is
// there twice.
func TestDiskFull(t *testing.T) { everyForm(t, diskFull) }

func diskFull(t *testing.T, options form) {
	for left := int64(0); left < 20_000; left += 371 {
		mem := newFS(t)
		disk := &smallDisk{FS: mem}
		disk.left.Store(left)
		o := options(disk)
		l := open(t, o)
		var ends []wal.LSN
		refused := 0
		for end := wal.LSN(200); end < 4000; end += 100 {
			msgs := [][]byte{begin(end-1, 1), insert(1, strings.Repeat("d", 700)), commit(end)}
			for _, m := range msgs {
				for {
					err := l.Append(t.Context(), end, m)
					if err == nil {
						break
					}
					refused++
					wantFull(t, l, err, disk)
				}
			}
			ends = append(ends, end)
			if end%200 != 0 {
				continue
			}
			for {
				lsn, err := l.Sync()
				if err == nil {
					if lsn != end || l.Full() {
						t.Fatalf("sync gives %s at %s, full %v", lsn, end, l.Full())
					}
					break
				}
				refused++
				if before := lsn; before >= end || l.Durable() != before {
					t.Fatalf("a refused sync gives %s", lsn)
				}
				wantFull(t, l, err, disk)
			}
		}
		if refused == 0 {
			t.Fatalf("disk of %d bytes was never full", left)
		}
		disk.left.Store(1 << 20)
		synced(t, l)
		if got := readAll(t, l, 100); !slices.Equal(got.ended, ends) {
			t.Fatalf("disk of %d bytes: read %v", left, got.ended)
		}
		check(t, l.Close())
		o.FS = mem.CrashClone(vfs.CrashCloneCfg{})
		l = open(t, o)
		if got := readAll(t, l, 100); !slices.Equal(got.ended, ends) {
			t.Fatalf("disk of %d bytes, after a crash: read %v", left, got.ended)
		}
		check(t, l.Close())
	}
}

// wantFull checks the error of a full disk, and makes room.
func wantFull(t *testing.T, l *Log, err error, disk *smallDisk) {
	t.Helper()
	if !errors.Is(err, ErrFull) || fault.CodeOf(err) != fault.Store {
		t.Fatalf("full disk: %v", err)
	}
	if !l.Full() {
		t.Fatal("no alarm")
	}
	disk.left.Add(2500)
}

func TestOpenOnFullDisk(t *testing.T) { everyForm(t, openOnFullDisk) }

func openOnFullDisk(t *testing.T, options form) {
	mem := newFS(t)
	l := open(t, options(mem))
	transaction(t, l, 200, 3, 100)
	synced(t, l)
	check(t, l.Close())
	disk := &smallDisk{FS: mem}
	disk.left.Store(200)
	if _, err := Open(options(disk)); !errors.Is(err, ErrFull) {
		t.Fatalf("open on a full disk: %v", err)
	}
	l = open(t, options(mem))
	if l.Durable() != 200 {
		t.Fatalf("durable %s after an Open that failed", l.Durable())
	}
	check(t, l.Close())
}

// TestFailedSync: after an fsync failed the log never says that anything new is durable, whatever
// the next fsync says, and what it promised before is there.
func TestFailedSync(t *testing.T) { everyForm(t, failedSync) }

func failedSync(t *testing.T, options form) {
	for _, op := range []errorfs.OpKind{errorfs.OpFileSyncData, errorfs.OpFileSync, errorfs.OpFileWriteAt} {
		for nth := range 12 {
			mem := newFS(t)
			var armed atomic.Bool
			var count atomic.Int64
			inj := errorfs.InjectorFunc(func(o errorfs.Op) error {
				if armed.Load() && o.Kind == op && count.Add(1) == int64(nth)+1 {
					return syscall.EIO
				}
				return nil
			})
			o := options(errorfs.Wrap(mem, inj))
			o.SegmentBytes = 2 << 10
			l := open(t, o)
			armed.Store(true)
			promised, err := wal.LSN(100), error(nil)
			end := wal.LSN(200)
			for ; err == nil && end < 9000; end += 100 {
				transactionUntil(l, t, end)
				var lsn wal.LSN
				if lsn, err = l.Sync(); lsn < promised {
					t.Fatalf("durable went back to %s", lsn)
				} else {
					promised = lsn
				}
			}
			what := fmt.Sprintf("operation %d, failure %d", op, nth)
			if !errors.Is(err, syscall.EIO) || errors.Is(err, ErrFull) || fault.CodeOf(err) != fault.Store {
				t.Fatalf("%s: %v", what, err)
			}
			for range 3 {
				if lsn, err := l.Sync(); err == nil || lsn != promised {
					t.Fatalf("%s: sync after a failed one: %s, %v", what, lsn, err)
				}
				if err := l.Append(t.Context(), end, begin(end, 1)); err == nil {
					t.Fatalf("%s: append after a failed sync", what)
				}
			}
			_ = l.Close()
			o.FS = mem.CrashClone(vfs.CrashCloneCfg{})
			l = open(t, o)
			if l.Durable() < promised {
				t.Fatalf("%s: promised %s, durable %s", what, promised, l.Durable())
			}
			check(t, l.Close())
		}
	}
}

func transactionUntil(l *Log, t *testing.T, end wal.LSN) {
	for _, m := range [][]byte{begin(end-1, 1), relationMessage(uint32(end), "t"), insert(1, strings.Repeat("e", 300)), commit(end)} {
		if l.Append(t.Context(), end, m) != nil {
			return // the Sync that follows says why
		}
	}
}

// TestReadError: bytes that cannot be read are not corrupt, and not skipped either.
func TestReadError(t *testing.T) { everyForm(t, readError) }

func readError(t *testing.T, options form) {
	mem := newFS(t)
	var fail atomic.Bool
	inj := errorfs.InjectorFunc(func(o errorfs.Op) error {
		if fail.Load() && o.Kind == errorfs.OpFileReadAt {
			return syscall.EIO
		}
		return nil
	})
	l := open(t, options(errorfs.Wrap(mem, inj)))
	transaction(t, l, 200, 3, 100)
	synced(t, l)
	r, err := l.Reader(100)
	check(t, err)
	c := &consumer{position: 100}
	fail.Store(true)
	if err := c.drain(t.Context(), r); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrCorrupt) {
		t.Fatalf("read error: %v", err)
	}
	fail.Store(false)
	check(t, c.drain(t.Context(), r))
	if c.position != 200 {
		t.Fatalf("read to %s", c.position)
	}
	check(t, r.Close())
	check(t, l.Close())
	fail.Store(true)
	if _, err := Open(options(errorfs.Wrap(mem, inj))); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrCorrupt) {
		t.Fatalf("open: %v", err)
	}
}
