package changelog

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/atrest"
	"replicator/wal"
)

// Options say where a log is and how much it may take.
type Options struct {
	FS  vfs.FS // default: the operating system's
	Dir string // made if it is not there; its parent must be
	Job string // a log of another job is refused
	// Key encrypts the frames on disk; nil leaves them readable. A log that was begun with another
	// key, or the other way round, is refused.
	Key *atrest.Key

	// Start is the position of a log that has no segment yet: where the slot begins.
	Start wal.LSN

	SegmentBytes int64 // a segment is closed when it is this large; default 64 MiB
	FrameBytes   int   // records gathered into a frame, and the buffer of Append; default 1 MiB
	// Budget is how large the log may grow, 0 without bound. Beyond it Append waits. At least four
	// segments must fit, so that trimming can make room: SegmentBytes gives way. A transaction larger
	// than the budget never ends; the alarm says so. The spool counts too, and may take half.
	Budget   int64
	Compress bool
	// PlainBelow leaves frames uncompressed while the segments hold less, 0 never: what is read a moment
	// later and then trimmed is not worth packing and unpacking.
	PlainBelow int64

	Logger *slog.Logger
	Hook   func(point string) // dangerous instants, for tests; may be nil
}

// The dangerous instants that Options.Hook is told of.
const (
	BeforeWrite  = "changelog: before write"
	BeforeSync   = "changelog: before fsync"
	AfterSync    = "changelog: after fsync"
	BeforeRename = "changelog: before rename of a new segment"
	BeforeUnlink = "changelog: before unlink"
)

func (o *Options) validate() error {
	if o.Dir == "" || o.Job == "" {
		return fmt.Errorf("change log: options need Dir and Job")
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.FrameBytes <= 0 {
		o.FrameBytes = 1 << 20
	}
	if o.Budget > 0 {
		o.SegmentBytes = min(o.SegmentBytes, o.Budget/4)
		o.PlainBelow = min(o.PlainBelow, o.Budget/2)
	}
	o.FrameBytes = max(1, int(min(int64(o.FrameBytes), o.SegmentBytes)))
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Hook == nil {
		o.Hook = func(string) {}
	}
	return nil
}
