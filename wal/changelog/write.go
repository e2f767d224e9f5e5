package changelog

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum"
	"replicator/checksum/frame"
	"replicator/replicator/fault"
	"replicator/wal"
)

// writer is the state of what has been written, ahead of what is synced. Log.io guards it.
type writer struct {
	file     vfs.File // of the last segment, nil before there is one
	size     int64
	seq      uint64           // of the next frame
	coat     coat             // of the segment's frames
	chain    *checksum.Hasher // of the segment: its header's digest and its frames' links
	unsynced bool             // something was written since the last fsync

	tail      tail
	begin     uint64 // segment with the Begin of the transaction that is open
	relations relations

	out      batch // on its way to the file; kept until it is there
	sealed   []byte
	compress frame.Compressor
}

// Sync makes everything durable that has been appended before it, and returns Durable. An error of
// fsync breaks the log for good: the kernel may drop what it could not write and report success the
// next time. Open it again to see what is there.
func (l *Log) Sync() (wal.LSN, error) {
	l.io.Lock()
	defer l.io.Unlock()
	err := l.drain()
	if err == nil {
		err = l.sync()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.relief()
	case errors.Is(err, ErrFull):
		l.alarm("disk of the change log is full: nothing is confirmed until there is space")
	}
	return l.durable, err
}

// flush empties the buffer into the file, to be synced later.
func (l *Log) flush() error {
	l.io.Lock()
	defer l.io.Unlock()
	err := l.drain()
	if errors.Is(err, ErrFull) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.alarm("disk of the change log is full: nothing is confirmed until there is space")
	}
	return err
}

// drain writes what an earlier call could not, and then what has gathered since.
func (l *Log) drain() error {
	l.mu.Lock()
	err := l.usable()
	l.mu.Unlock()
	if err == nil {
		err = l.write()
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.in, l.w.out = l.w.out, l.in
	l.mu.Unlock()
	return l.write()
}

// write seals the batch and writes it behind what is there. After an error the batch is kept, and
// the next attempt overwrites what this one may have left.
func (l *Log) write() error {
	w := &l.w
	if len(w.out.raw) == 0 {
		return nil
	}
	if err := l.ready(); err != nil {
		return err
	}
	h := frame.Header{Kind: frame.Changes, Seq: w.seq, First: w.out.from, Last: w.out.to}
	if !w.unsynced {
		h.Flags = frame.Synced
	}
	w.sealed = w.coat.put(frame.Seal(w.sealed[:0], h, w.out.raw, l.compressor()))
	l.opt.Hook(BeforeWrite)
	if err := w.append(w.sealed); err != nil {
		return l.failed("write change log", err)
	}
	w.unsynced = true
	l.account()
	w.out.reset(l.opt.FrameBytes)
	if cap(w.sealed) > 4*l.opt.FrameBytes {
		w.sealed = nil
	}
	return nil
}

// compressor is nil for frames that stay as they are.
func (l *Log) compressor() frame.Compressor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes < l.opt.PlainBelow {
		return nil
	}
	return l.w.compress
}

// append writes a sealed frame in its coat.
func (w *writer) append(b []byte) error {
	link := w.coat.link(b)
	n, err := w.file.WriteAt(b, w.size)
	if err != nil {
		return err
	}
	w.size += int64(n)
	w.seq++
	_, _ = w.chain.Write(link[:])
	return nil
}

// account follows the batch just written.
func (l *Log) account() {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.last()
	// The records are our own, just made: the walk cannot fail.
	_ = l.w.walk(s, l.w.out.raw)
	l.bytes += l.w.size - s.size
	s.size = l.w.size
	l.pending -= int64(len(l.w.out.raw))
}

// walk moves w and s past records.
func (w *writer) walk(s *segment, raw []byte) error {
	err := Records(raw, func(lsn wal.LSN, kind RecordKind, msg []byte) error {
		wasOpen := w.tail.open
		if w.tail.record(kind, lsn, msg) {
			s.ended(w.tail.position)
		}
		if w.tail.open && !wasOpen {
			w.begin = s.number
		}
		w.relations.record(kind, msg)
		return nil
	})
	s.last = w.tail.position
	return err
}

// sync brings what is written to disk and shows it to the readers.
func (l *Log) sync() error {
	if l.broken != nil {
		return l.broken
	}
	if !l.w.unsynced {
		return nil
	}
	l.opt.Hook(BeforeSync)
	if err := l.w.file.SyncData(); err != nil {
		return l.breaks("fsync change log", err)
	}
	l.w.unsynced = false
	l.opt.Hook(AfterSync)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.durable, l.synced = l.w.tail.position, l.w.size
	l.wake()
	return nil
}

// failed is the error of a write: a full disk may be tried again, everything else may not.
func (l *Log) failed(step string, err error) error {
	if e := ioError(step, err); errors.Is(e, ErrFull) {
		return e
	}
	return l.breaks(step, err)
}

// breaks ends the log: what is on disk is no longer known.
func (l *Log) breaks(step string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = fault.New(fault.Store, fmt.Errorf("%s: %w", step, err), "the disk of --dir fails: check it, then start again")
	l.wake()
	return l.broken
}
