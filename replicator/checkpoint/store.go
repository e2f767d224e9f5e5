package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/atrest"
	"replicator/replicator/fault"
)

// Memory of the store: it holds little, and the whole engine has 300 MB.
const (
	cacheBytes    = 8 << 20
	memTableBytes = 4 << 20
)

// Options of a store.
type Options struct {
	FS       vfs.FS // nil is the disk
	ReadOnly bool   // for `status`, when no engine runs
	// Key encrypts the values; nil leaves them readable. A store that was begun with another key, or
	// the other way round, is refused.
	Key    *atrest.Key
	Logger *slog.Logger
	// Exit ends the process when Pebble cannot go on, as when its log cannot be written: what was
	// acknowledged is on disk, and nothing may be acknowledged any more. nil is os.Exit; it is
	// called with fault.Store, and must not return.
	Exit func(code int)
}

// Store is an open store. Its methods may be called from any goroutine.
type Store struct {
	db    *pebble.DB
	cache *pebble.Cache
	box   *atrest.Box // of the values; nil where they lie in the clear

	writing sync.Mutex // one write at a time, so that writes are counted in order
	count   uint64     // of writes in db
	guard   *guard
	// unwritten is the format of a store that has none yet.
	unwritten []byte
}

// ErrLocked says that another process has the store open.
var ErrLocked = errors.New("another process has the state directory open")

// Open opens the store in dir, or makes it.
func Open(dir string, o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Exit == nil {
		o.Exit = os.Exit
	}
	if _, err := o.FS.Stat(dir); o.ReadOnly && errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.Usage, errors.New("there is no job in this --dir"), "begin one with replicator seed")
	}
	if !o.ReadOnly {
		if err := o.FS.MkdirAll(dir, 0o700); err != nil {
			return nil, fault.New(fault.Store, fmt.Errorf("make the store's directory: %w", err), "")
		}
	}
	cache := pebble.NewCache(cacheBytes)
	db, err := pebble.Open(dir, &pebble.Options{
		FS: o.FS, ReadOnly: o.ReadOnly, Cache: cache, MemTableSize: memTableBytes, Logger: logger{o.Logger, o.Exit},
		FormatMajorVersion: pebble.FormatNewest, MaxOpenFiles: 100,
		EventListener: &pebble.EventListener{
			// The read that met it returns an error; by default Pebble would end the process.
			DataCorruption: func(i pebble.DataCorruptionInfo) { o.Logger.Error("store is damaged", "file", i.Path) },
		},
	})
	if err != nil {
		cache.Unref()
		return nil, openError(err)
	}
	s := &Store{db: db, cache: cache}
	if err := s.readFormat(o.Key); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.openGuard(dir, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) openGuard(dir string, o Options) error {
	found, err := s.getJSON(key(kindCount), &s.count)
	if err != nil {
		return err
	}
	if s.guard, err = openGuard(o.FS, dir, s.count, !found, o.ReadOnly); err != nil {
		return openError(err)
	}
	return nil
}

func openError(err error) error {
	switch {
	case errors.Is(err, syscall.EAGAIN), strings.Contains(err.Error(), "lock held by current process"):
		return fault.New(fault.Fenced, ErrLocked, "an engine runs there already: see replicator status")
	case errors.Is(err, os.ErrPermission):
		return fault.New(fault.Store, errors.New("the state directory belongs to another user"), "run as the user that began the job")
	}
	return fault.New(fault.Store, fmt.Errorf("open the store: %w", err), "the store is damaged or the disk is full; run replicator cleanup and seed again if it cannot be mended")
}

// Close closes the store.
func (s *Store) Close() error {
	err := errors.Join(s.db.Close(), s.guard.close())
	s.cache.Unref()
	if err != nil {
		return fault.New(fault.Store, fmt.Errorf("close the store: %w", err), "")
	}
	return nil
}

// Put keeps a named value.
func (s *Store) Put(name string, v any) error { return s.putJSON(nameKey(name), v) }

// Get reads a named value; false says that there is none.
func (s *Store) Get(name string, v any) (bool, error) { return s.getJSON(nameKey(name), v) }

// Delete forgets a named value.
func (s *Store) Delete(name string) error {
	return s.write(func(b *pebble.Batch) error { return b.Delete(nameKey(name), nil) })
}

// Anew forgets plan, receipts, notes of changed rows and all named values but those to keep, and puts a
// named value, all in one batch.
func (s *Store) Anew(name string, v any, keep ...string) error {
	var names [][]byte
	err := s.names(func(key []byte) {
		if n := string(key[1:]); !slices.Contains(keep, n) {
			names = append(names, key)
		}
	})
	if err != nil {
		return err
	}
	return s.write(func(b *pebble.Batch) error {
		for _, kind := range []byte{kindPlan, kindTable, kindChunks, kindReceipt, kindTouched} {
			if err := b.DeleteRange([]byte{kind}, []byte{kind + 1}, nil); err != nil {
				return err
			}
		}
		for _, n := range names {
			if err := b.Delete(n, nil); err != nil {
				return err
			}
		}
		return s.putIn(b, nameKey(name), v)
	})
}

// names calls f with the keys of the named values.
func (s *Store) names(f func(key []byte)) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kindName}, UpperBound: []byte{kindName + 1}})
	if err != nil {
		return readError(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		f(slices.Clone(it.Key()))
	}
	if err := it.Close(); err != nil {
		return readError(err)
	}
	return nil
}

func (s *Store) putJSON(key []byte, v any) error {
	return s.write(func(b *pebble.Batch) error { return s.putIn(b, key, v) })
}

func (s *Store) getJSON(key []byte, v any) (bool, error) {
	raw, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, readError(err)
	}
	defer closer.Close()
	if raw, err = s.unseal(key, raw); err != nil {
		return false, err
	}
	return true, decode(raw, v)
}

func decode(raw []byte, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		return readError(err)
	}
	return nil
}

// write commits what f puts into a batch.
func (s *Store) write(f func(*pebble.Batch) error) error {
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }()
	if err := f(b); err != nil {
		return writeError(err)
	}
	return s.commit(b)
}

// commit makes a batch durable, and then known to the guard.
func (s *Store) commit(b *pebble.Batch) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.unwritten != nil {
		if err := b.Set(key(kindFormat), s.unwritten, nil); err != nil {
			return writeError(err)
		}
	}
	n := s.count + 1
	if err := s.putIn(b, key(kindCount), n); err != nil {
		return writeError(err)
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return writeError(err)
	}
	s.count, s.unwritten = n, nil
	return writeError(s.guard.set(n))
}

func writeError(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Store, fmt.Errorf("write to the store: %w", err), "look at the disk that holds the state directory")
}

func readError(err error) error {
	return fault.New(fault.Store, fmt.Errorf("read the store: %w", err), "the store is damaged: what is on the target is not; ask before you remove anything")
}

// logger passes what Pebble says on at level debug: it speaks of files, not of data.
type logger struct {
	log  *slog.Logger
	exit func(int)
}

func (l logger) Infof(format string, args ...any) {
	l.log.Debug("store", "said", fmt.Sprintf(format, args...))
}
func (l logger) Errorf(format string, args ...any) {
	l.log.Warn("store", "said", fmt.Sprintf(format, args...))
}

// Fatalf is called when Pebble cannot go on; it must not return.
func (l logger) Fatalf(format string, args ...any) {
	l.log.Error("the store cannot go on: look at the disk of the state directory, then start again", "said", fmt.Sprintf(format, args...))
	l.exit(int(fault.Store))
}

var _ io.Closer = (*Store)(nil)
