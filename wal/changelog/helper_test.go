package changelog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/atrest"
	"replicator/checksum/frame"
	"replicator/wal"
)

const dir = "state/changes"

// seeded gives a generator whose seed is printed when the test fails.
func seeded(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func options(fs vfs.FS) Options {
	return Options{FS: fs, Dir: dir, Job: "job", Start: 100, SegmentBytes: 8 << 10, FrameBytes: 1 << 10}
}

// form makes the options of a log: with a key or without.
type form func(vfs.FS) Options

// everyForm runs a test for logs without a key and with one.
func everyForm(t *testing.T, test func(t *testing.T, options form)) {
	t.Run("clear", func(t *testing.T) { test(t, options) })
	t.Run("key", func(t *testing.T) { test(t, withKey) })
}

func withKey(fs vfs.FS) Options {
	o := options(fs)
	o.Key = atrest.New(secret)
	return o
}

// secret is a key whose digits are easily found, should they be on disk.
var secret = [atrest.Size]byte([]byte("CANARY: thirty-two secret bytes."))

// newFS is a file system with the directory above the log durably in place.
func newFS(t testing.TB) *vfs.MemFS {
	fs := vfs.NewCrashableMem()
	check(t, fs.MkdirAll("state", 0o700))
	check(t, syncDir(fs, "/"))
	return fs
}

func open(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	check(t, err)
	return l
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func begin(final wal.LSN, xid uint32) []byte {
	b := binary.BigEndian.AppendUint64([]byte{'B'}, uint64(final))
	b = binary.BigEndian.AppendUint64(b, 0)
	return binary.BigEndian.AppendUint32(b, xid)
}

func commit(end wal.LSN) []byte {
	b := binary.BigEndian.AppendUint64([]byte{'C', 0}, uint64(end-1))
	b = binary.BigEndian.AppendUint64(b, uint64(end))
	return binary.BigEndian.AppendUint64(b, 0)
}

func relationMessage(id uint32, version string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'R'}, id), version...)
}

func insert(id uint32, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'I'}, id), body...)
}

// transaction appends a transaction of n inserts that commits at end.
func transaction(t testing.TB, l *Log, end wal.LSN, n, size int) {
	t.Helper()
	ctx := t.Context()
	check(t, l.Append(ctx, end-10, begin(end-1, uint32(end))))
	for i := range n {
		check(t, l.Append(ctx, end-9, insert(7, fmt.Sprintf("%d.%d.%0*d", end, i, size, 0))))
	}
	check(t, l.Append(ctx, end-1, commit(end)))
}

func synced(t testing.TB, l *Log) wal.LSN {
	t.Helper()
	lsn, err := l.Sync()
	check(t, err)
	return lsn
}

// consumer is what apply does with the log: whole transactions above its position, each once.
type consumer struct {
	position  wal.LSN
	open      bool
	messages  int
	relations map[uint32]string
	ended     []wal.LSN // commits taken, in order
	restarts  int
}

func (c *consumer) frame(sealed []byte) error {
	_, raw, err := frame.Open(sealed, nil)
	if err != nil {
		return err
	}
	return Records(raw, c.record)
}

func (c *consumer) record(lsn wal.LSN, kind RecordKind, msg []byte) error {
	switch {
	case kind == Mark:
		c.position = max(c.position, lsn)
	case kind == Restart:
		c.open, c.messages = false, 0
		c.restarts++
	case msg[0] == 'B':
		if c.open {
			return errors.New("Begin within a transaction")
		}
		c.open, c.messages = true, 0
	case msg[0] == 'R':
		if c.relations == nil {
			c.relations = map[uint32]string{}
		}
		c.relations[binary.BigEndian.Uint32(msg[1:])] = string(msg[5:])
	case msg[0] == 'C' && c.open:
		end := wal.LSN(binary.BigEndian.Uint64(msg[10:]))
		c.open = false
		if end > c.position {
			c.position, c.ended = end, append(c.ended, end)
		}
	case msg[0] == 'C': // the rest of a transaction that committed before
		end := wal.LSN(binary.BigEndian.Uint64(msg[10:]))
		if end > c.position {
			return fmt.Errorf("commit %s came without its beginning", end)
		}
	case c.open:
		c.messages++
	}
	return nil
}

// errEnd says that the log had nothing more.
var errEnd = errors.New("end of log")

// drain reads everything that is durable now.
func (c *consumer) drain(ctx context.Context, r *Reader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(errEnd)
	for {
		sealed, err := r.Next(ctx)
		if errors.Is(err, errEnd) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.frame(sealed); err != nil {
			return err
		}
	}
}

func readAll(t testing.TB, l *Log, from wal.LSN) *consumer {
	t.Helper()
	c := &consumer{position: from}
	r, err := l.Reader(from)
	check(t, err)
	check(t, c.drain(t.Context(), r))
	check(t, r.Close())
	return c
}

// ended is a context for readers that shall not wait.
func ended(t testing.TB) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnd)
	return ctx
}

func contents(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	check(t, err)
	defer func() { check(t, f.Close()) }()
	b, err := io.ReadAll(f)
	check(t, err)
	return b
}

func put(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, writeCategory)
	check(t, err)
	_, err = f.Write(bytes.Clone(b)) // a vfs.File may scribble on what it is given
	check(t, err)
	check(t, f.Sync())
	check(t, f.Close())
}
