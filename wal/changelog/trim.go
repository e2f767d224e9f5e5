package changelog

import "replicator/wal"

// TrimBefore unlinks the segments that nobody needs who has applied everything up to lsn: whole
// segments, oldest first, never the last one nor one that a reader stands in or has yet to reach,
// and none that holds the beginning of a transaction that commits after lsn.
func (l *Log) TrimBefore(lsn wal.LSN) error {
	l.trim.Lock()
	defer l.trim.Unlock()
	for {
		number, ok := l.trimmable(lsn)
		if !ok {
			return nil
		}
		l.opt.Hook(BeforeUnlink)
		if err := l.opt.FS.Remove(l.path(number)); err != nil {
			return ioError("trim change log", err)
		}
		// One by one: after a crash a later segment must not be gone while an earlier one is back.
		if err := syncDir(l.opt.FS, l.opt.Dir); err != nil {
			return ioError("trim change log", err)
		}
		l.mu.Lock()
		l.bytes -= l.segs[0].size
		l.segs = append(l.segs[:0], l.segs[1:]...)
		l.relief()
		l.wake()
		l.mu.Unlock()
	}
}

// trimmable is the oldest segment, if it may go.
func (l *Log) trimmable(lsn wal.LSN) (number uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.segs) < 2 {
		return 0, false
	}
	need := l.start(min(lsn, l.durable))
	for r := range l.readers {
		need = min(need, r.number)
	}
	number = l.segs[0].number
	return number, number < need && number < l.last().number
}

// start is the segment in which a reader must begin to meet every transaction that commits after
// from; mu is held and there is a segment.
func (l *Log) start(from wal.LSN) uint64 {
	for i := range l.segs {
		if s := &l.segs[i]; s.last > from {
			return s.needs(from)
		}
	}
	return l.last().needs(from)
}
