package changelog

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"replicator/wal"
)

// Log is an open change log. Append, Mark and Restart belong to one goroutine, the one that reads
// the stream; Sync, TrimBefore, readers and the rest may be used from any.
//
// It holds two buffers of FrameBytes, more only while a message is larger, and one sealed frame.
type Log struct {
	opt Options

	io sync.Mutex // what writes files; taken before mu
	w  writer
	// After an fsync failed nothing is known of the file: the log is broken for good. Set with both
	// locks held.
	broken error

	mu      sync.Mutex
	in      batch     // filled by Append
	tail    tail      // after in
	segs    []segment // oldest first; the last one is being written
	bytes   int64     // of segs
	durable wal.LSN
	synced  int64 // bytes of the last segment that are on disk
	pending int64 // bytes in the buffers
	spooled int64 // bytes of the spool's files
	readers map[*Reader]struct{}
	changed chan struct{} // closed and replaced when a waiter should look again
	full    bool
	closed  bool

	trim sync.Mutex // one TrimBefore at a time
}

// Append takes one pgoutput message with the LSN that came with it, and copies it. While the log is
// over its budget it waits, until TrimBefore makes room, ctx ends or the log is closed. After an
// error the message was not taken; after ErrFull it may be appended again.
func (l *Log) Append(ctx context.Context, lsn wal.LSN, msg []byte) error {
	if len(msg) == 0 || len(msg) > maxMessage {
		return fmt.Errorf("append to change log: message of %d bytes", len(msg))
	}
	for {
		l.mu.Lock()
		err, over := l.usable(), l.over()
		fits := len(l.in.raw) == 0 || len(l.in.raw)+recordHeader+len(msg) <= l.opt.FrameBytes
		if err == nil && !over && fits {
			if err = l.tail.check(msg); err == nil {
				l.add(lsn, Message, msg)
			}
			l.mu.Unlock()
			return err
		}
		l.mu.Unlock()
		switch {
		case err != nil:
			return err
		case over:
			err = l.awaitRoom(ctx)
		default:
			err = l.flush()
		}
		if err != nil {
			return err
		}
	}
}

// Mark says that everything before lsn has been received and that nothing is open; once synced it is
// durable. Within a transaction it means nothing and is ignored.
func (l *Log) Mark(lsn wal.LSN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tail.open && lsn > l.tail.position {
		l.add(lsn, Mark, nil)
	}
}

// Restart says that the stream broke off: the transaction that is open will come again from its
// Begin. The next stream is to start at Appended.
func (l *Log) Restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tail.open {
		l.add(l.tail.position, Restart, nil)
	}
}

// add puts a record into the buffer; mu is held.
func (l *Log) add(lsn wal.LSN, kind RecordKind, msg []byte) {
	l.in.add(&l.tail, lsn, kind, msg)
	l.pending += recordHeader + int64(len(msg))
}

// Durable is the LSN up to which everything is on disk: it may be confirmed.
func (l *Log) Durable() wal.LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Appended is the position of the log, synced or not.
func (l *Log) Appended() wal.LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail.position
}

// Oldest is the LSN that the log goes back to: a reader may begin after it or later.
func (l *Log) Oldest() wal.LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.oldest()
}

func (l *Log) oldest() wal.LSN {
	if len(l.segs) == 0 {
		return l.durable
	}
	s := &l.segs[0]
	if s.open != 0 && s.open < s.number { // its first transaction began in a segment that is gone
		return max(s.position, s.first)
	}
	return s.position
}

// Size is how many bytes the segments and the spool have on disk.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes + l.spooled
}

// Spooled is how many of those are the spool's.
func (l *Log) Spooled() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spooled
}

// Full reports the alarm: the log is over its budget or its disk is full, and nothing more is
// confirmed until there is room.
func (l *Log) Full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full
}

// Close ends everything that waits. It does not sync: what is not durable is as if it had never
// been received. Readers are closed by their users.
func (l *Log) Close() error {
	l.io.Lock()
	defer l.io.Unlock()
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.wake()
	l.mu.Unlock()
	if closed || l.w.file == nil {
		return nil
	}
	return l.w.file.Close()
}

// usable is why the log takes nothing more; mu is held.
func (l *Log) usable() error {
	if l.closed {
		return ErrClosed
	}
	return l.broken
}

// wake makes waiters look again; mu is held.
func (l *Log) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// last is the segment that is written; mu is held.
func (l *Log) last() *segment { return &l.segs[len(l.segs)-1] }

// find is the index of a segment, or where it would be; mu is held.
func (l *Log) find(number uint64) (int, bool) {
	return slices.BinarySearchFunc(l.segs, number, func(s segment, n uint64) int {
		switch {
		case s.number < n:
			return -1
		case s.number > n:
			return 1
		}
		return 0
	})
}
