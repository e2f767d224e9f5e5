package changelog

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/replicator/fault"
	"replicator/wal"
)

// Classes of error that a caller may have to tell apart.
var (
	// ErrFull says that the disk is full. Nothing was lost and the log is usable: call Sync again
	// when there is space.
	ErrFull = errors.New("no space for the change log")
	// ErrCorrupt says that bytes which had been on disk are damaged or gone. A *CorruptError says where.
	ErrCorrupt = errors.New("change log is corrupt")
	// ErrTrimmed says that the log no longer goes back as far as asked.
	ErrTrimmed = errors.New("change log is trimmed")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("change log is closed")
)

// CorruptError is an ErrCorrupt with its place.
type CorruptError struct {
	File        string
	Offset      int64
	After, UpTo wal.LSN // transactions that commit in (After, UpTo] may be lost
	Reason      error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("change log is corrupt: file %s, offset %d, transactions after %s up to %s: %v",
		e.File, e.Offset, e.After, e.UpTo, e.Reason)
}

func (e *CorruptError) Unwrap() []error { return []error{ErrCorrupt, e.Reason} }

func corrupt(file string, offset int64, after, upTo wal.LSN, reason error) error {
	return fault.New(fault.Store, &CorruptError{file, offset, after, max(after, upTo), reason},
		"the disk has damaged or lost what it had stored: check it; what the target has is still exact, but to go on the job must be seeded again")
}

func ioError(step string, err error) error {
	if vfs.IsNoSpaceError(err) || errors.Is(err, syscall.EDQUOT) {
		return fault.New(fault.Store, fmt.Errorf("%s: %w: %w", step, ErrFull, err), "free space on the disk of --dir; nothing is lost")
	}
	return fault.New(fault.Store, fmt.Errorf("%s: %w", step, err), "")
}
