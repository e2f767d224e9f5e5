package changelog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/frame"
	"replicator/replicator/fault"
	"replicator/wal"
)

// Spool keeps transactions that the source streams before they commit; see the package's
// documentation. It belongs to the goroutine that appends to the log.
//
// It holds one buffer of FrameBytes, more only while a message is larger, one sealed frame, and of
// every transaction where its frames lie and where its subtransactions began.
type Spool struct {
	log  *Log
	coat coat
	txs  map[uint32]*spooled // by the id of the transaction
	cur  *spooled            // whose records out holds
	out  []byte
	last wal.LSN // of the last record in out

	seq    uint64 // of the next frame
	sealed []byte
	raw    []byte   // a frame that is read again
	file   vfs.File // nil: none is open
	name   string   // of the file that is open
}

// Spool returns the log's spool, which is empty. A log has one.
func (l *Log) Spool() (*Spool, error) {
	s := &Spool{log: l, txs: map[uint32]*spooled{}}
	if l.opt.Key != nil {
		// Nothing of it is read by another process: that it opens nowhere else does no harm.
		var id [32]byte
		if _, err := rand.Read(id[:]); err != nil {
			return nil, fmt.Errorf("open spool: %w", err)
		}
		s.coat = coat{l.opt.Key.Box("change log, spool", id[:])}
	}
	return s, nil
}

// Begin opens a transaction of which nothing is known yet.
func (s *Spool) Begin(top uint32) { s.txs[top] = &spooled{xid: top} }

// Has reports whether a transaction is open.
func (s *Spool) Has(top uint32) bool { return s.txs[top] != nil }

// Append takes a message that the subtransaction xid, or top itself, has made, and copies it. While
// the log is over its budget it waits. ErrFull says that the spool has taken what it may, or all
// that the disk has.
func (s *Spool) Append(ctx context.Context, top, xid uint32, lsn wal.LSN, msg []byte) error {
	t := s.txs[top]
	if t == nil || len(msg) == 0 || len(msg) > maxMessage {
		return fmt.Errorf("append to spool: %d bytes of transaction %d, which is open: %v", len(msg), top, t != nil)
	}
	if s.cur != t || len(s.out)+recordHeader+len(msg) > s.log.opt.FrameBytes {
		if err := s.Flush(ctx); err != nil {
			return err
		}
	}
	s.cur, s.last = t, lsn
	t.enter(xid, place{len(t.blocks), len(s.out)})
	s.out = appendRecord(s.out, lsn, Message, msg)
	return nil
}

// Flush writes what is in memory. It is due at the end of a block, so that however many transactions
// are open, no more than one is buffered.
func (s *Spool) Flush(ctx context.Context) error {
	if len(s.out) == 0 {
		return nil
	}
	if err := s.log.room(ctx); err != nil {
		return err
	}
	if err := s.write(); err != nil {
		return err
	}
	s.out = s.out[:0]
	if cap(s.out) > 4*s.log.opt.FrameBytes {
		s.out = nil
	}
	return nil
}

// Abort voids what the subtransaction xid has made; all of it where that is top. It is not called
// within a block.
func (s *Spool) Abort(top, xid uint32) error {
	t := s.txs[top]
	if t == nil {
		return nil
	}
	if len(s.out) > 0 {
		return fmt.Errorf("abort of transaction %d, with %d bytes of a block to be flushed", top, len(s.out))
	}
	if xid == top {
		if err := s.remove(t, 0); err != nil {
			return err
		}
		delete(s.txs, top)
		return nil
	}
	at, ok := t.abort(xid)
	if !ok {
		return nil // it has made nothing that came here
	}
	return s.remove(t, t.cut(at))
}

// Replay gives what is left of a transaction to each, in order, and forgets it on the way: a file
// goes as soon as each has had all of it, so that the log grows by what the spool gives up. msg is
// valid until each returns. After an error the spool is good for Reset only.
func (s *Spool) Replay(top uint32, each func(lsn wal.LSN, msg []byte) error) error {
	t := s.txs[top]
	if t == nil || len(s.out) > 0 {
		return fmt.Errorf("replay of transaction %d, which is in the spool: %v, with %d bytes of a block to be flushed", top, t != nil, len(s.out))
	}
	done := 0 // files
	for i := range t.blocks {
		b := &t.blocks[i]
		for ; done < b.file; done++ {
			if err := s.removeFile(t, done); err != nil {
				return err
			}
		}
		if err := s.read(t, b, each); err != nil {
			return err
		}
	}
	if err := s.remove(t, done); err != nil {
		return err
	}
	delete(s.txs, top)
	return nil
}

// Reset forgets everything: the source will send it again.
func (s *Spool) Reset() error {
	s.out, s.cur = s.out[:0], nil
	var errs []error
	for _, t := range s.txs {
		errs = append(errs, s.remove(t, 0))
	}
	clear(s.txs)
	return errors.Join(errs...)
}

// Suffix of a spool's files.
const spoolSuffix = ".spool"

func isSpool(name string) bool { return strings.HasSuffix(name, spoolSuffix) }

func (s *Spool) path(t *spooled, file int) string {
	return s.log.opt.FS.PathJoin(s.log.opt.Dir, fmt.Sprintf("%010d.%06d", t.xid, file)+spoolSuffix)
}

// remove forgets the files of t from the one of this number on.
func (s *Spool) remove(t *spooled, from int) error {
	for n := len(t.files) - 1; n >= from; n-- {
		if err := s.removeFile(t, n); err != nil {
			return err
		}
	}
	t.files = t.files[:min(from, len(t.files))]
	return nil
}

func (s *Spool) removeFile(t *spooled, n int) error {
	path := s.path(t, n)
	if s.name == path {
		if err := s.close(); err != nil {
			return err
		}
	}
	if err := s.log.opt.FS.Remove(path); err != nil && !oserror.IsNotExist(err) {
		return ioError("remove file of the spool", err)
	}
	s.log.spoolGrew(-t.files[n])
	t.files[n] = 0
	return nil
}

// damaged is the error of a frame that is not what was written. Nothing is lost by it.
func (s *Spool) damaged(t *spooled, b *block, err error) error {
	if isIO(err) {
		return ioError("read spool", err)
	}
	return fault.New(fault.Store, fmt.Errorf("read spool: file %s, offset %d: %w", s.path(t, b.file), b.off, err),
		"the disk has damaged what it had stored: check it; nothing is lost, the same command goes on")
}

// frameHeader is that of the next frame.
func (s *Spool) frameHeader() frame.Header {
	return frame.Header{Kind: frame.Changes, Seq: s.seq, First: s.last, Last: s.last}
}
