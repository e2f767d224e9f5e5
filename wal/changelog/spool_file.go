package changelog

import (
	"context"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/frame"
	"replicator/wal"
)

// spoolShare of the budget is what the spool may take: the other half is the log's, which must have
// room for what the target is about to apply, or neither would ever get any.
const spoolShare = 2

// write seals the records in memory and writes them behind what is there.
func (s *Spool) write() error {
	t := s.cur
	s.sealed = s.coat.put(frame.Seal(s.sealed[:0], s.frameHeader(), s.out, s.log.w.compress))
	file, off := t.next(s.log.opt.SegmentBytes)
	if !s.log.mayspool(int64(len(s.sealed))) {
		return fmt.Errorf("transactions that have not committed take half of the change log's budget: %w", ErrFull)
	}
	if err := s.open(t, file); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(s.sealed, off); err != nil {
		return ioError("write spool", err)
	}
	t.blocks = append(t.blocks, block{file: file, off: off, size: len(s.sealed), raw: len(s.out), seq: s.seq})
	s.seq++
	if grew := off + int64(len(s.sealed)) - t.files[file]; grew > 0 { // not over what was voided
		t.files[file] += grew
		s.log.spoolGrew(grew)
	}
	if cap(s.sealed) > 4*s.log.opt.FrameBytes {
		s.sealed = nil
	}
	return nil
}

// read gives the records of a block that count to each.
func (s *Spool) read(t *spooled, b *block, each func(wal.LSN, []byte) error) error {
	if err := s.open(t, b.file); err != nil {
		return err
	}
	lies, err := readFrame(s.file, b.off, b.off+int64(b.size), s.sealed, s.coat)
	if err != nil {
		return s.damaged(t, b, err)
	}
	s.sealed = lies
	sealed, err := s.coat.take(lies, lies)
	if err != nil {
		return s.damaged(t, b, err)
	}
	h, raw, err := frame.View(sealed, s.raw)
	if err == nil && (h.Seq != b.seq || len(raw) < b.raw) {
		err = fmt.Errorf("%w: frame %d of %d bytes, want %d of %d", ErrCorrupt, h.Seq, len(raw), b.seq, b.raw)
	}
	if err != nil {
		return s.damaged(t, b, err)
	}
	if h.Encoding == frame.Zstd {
		s.raw = raw
	}
	err = Records(raw[:b.raw], func(lsn wal.LSN, _ RecordKind, msg []byte) error { return each(lsn, msg) })
	if limit := 4 * s.log.opt.FrameBytes; cap(s.sealed) > limit || cap(s.raw) > limit {
		s.sealed, s.raw = nil, nil
	}
	return err
}

// open opens a file of t. Only one is open at a time: there may be as many transactions as the source
// takes sessions.
func (s *Spool) open(t *spooled, file int) error {
	path := s.path(t, file)
	if s.name == path {
		return nil
	}
	if err := s.close(); err != nil {
		return err
	}
	f, err := s.log.opt.FS.OpenReadWrite(path, writeCategory)
	if err != nil {
		return ioError("open file of the spool", err)
	}
	s.file, s.name = f, path
	if file == len(t.files) {
		t.files = append(t.files, 0)
		if fd := f.Fd(); fd != vfs.InvalidFd {
			if err := syscall.Fchmod(int(fd), privateFile); err != nil {
				return ioError("open file of the spool", err)
			}
		}
	}
	return nil
}

func (s *Spool) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file, s.name = nil, ""
	if err != nil {
		return ioError("close file of the spool", err)
	}
	return nil
}

// room waits until the log is below its budget.
func (l *Log) room(ctx context.Context) error {
	l.mu.Lock()
	err, over := l.usable(), l.over()
	l.mu.Unlock()
	if err == nil && over {
		err = l.awaitRoom(ctx)
	}
	return err
}

// mayspool reports whether the spool may grow by n bytes.
func (l *Log) mayspool(n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opt.Budget == 0 || l.spooled+n <= l.opt.Budget/spoolShare
}

// spoolGrew notes that the spool has n bytes more on disk, or less.
func (l *Log) spoolGrew(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spooled += n; n < 0 {
		l.relief()
		l.wake()
	}
}
