package changelog

import (
	"errors"

	"replicator/checksum"
	"replicator/checksum/frame"
)

// ready makes sure that there is a segment with room.
func (l *Log) ready() error {
	if l.w.file == nil {
		return l.begin(header{number: 1})
	}
	l.mu.Lock()
	s := *l.last()
	l.mu.Unlock()
	if s.size-s.preamble < l.opt.SegmentBytes {
		return nil
	}
	// A segment is on disk whole before the next one exists.
	if err := l.sync(); err != nil {
		return err
	}
	h := header{number: s.number + 1, previousFirst: s.first, previousSize: s.size, chain: l.w.chain.Digest()}
	return l.begin(h)
}

// begin makes a segment and its preamble. It appears under its name when it is on disk; until then,
// and after an error, the one before stays the last.
func (l *Log) begin(h header) error {
	w := &l.w
	h.seq, h.position, h.job = w.seq, w.tail.position, checksum.Sum([]byte(l.opt.Job))
	if w.tail.open {
		h.open = w.begin
	}
	preamble := w.preamble(h.seq, l.opt.FrameBytes)
	h.preamble = segmentHeader
	for _, f := range preamble {
		h.preamble += int64(len(f)) + coatSize(l.opt.Key)
	}
	next := writer{seq: h.seq, chain: checksum.NewHasher()}
	path := l.path(h.number)
	err := next.create(l.opt.FS, path+unfinished, &h, l.opt.Key)
	for i := 0; err == nil && i < len(preamble); i++ {
		err = next.append(next.coat.put(preamble[i]))
	}
	if err == nil {
		err = l.publish(&next, path)
	}
	if err != nil {
		return errors.Join(l.failed("make segment of the change log", err), next.discard(l.opt.FS, path+unfinished))
	}
	if err := syncDir(l.opt.FS, l.opt.Dir); err != nil {
		return errors.Join(l.breaks("fsync directory of the change log", err), next.file.Close())
	}
	if w.file != nil {
		err := w.file.Close()
		w.file = nil
		if err != nil {
			return errors.Join(l.breaks("close segment of the change log", err), next.file.Close())
		}
	}
	w.file, w.size, w.seq, w.coat, w.chain = next.file, next.size, next.seq, next.coat, next.chain
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segs = append(l.segs, segment{header: h, size: w.size, last: h.position})
	l.bytes += w.size
	l.synced = w.size
	l.wake()
	return nil
}

// publish syncs a finished file and gives it its name.
func (l *Log) publish(w *writer, path string) error {
	if err := w.file.Sync(); err != nil {
		return err
	}
	l.opt.Hook(BeforeRename)
	return l.opt.FS.Rename(path+unfinished, path)
}

func (l *Log) path(number uint64) string {
	return l.opt.FS.PathJoin(l.opt.Dir, segmentName(number))
}

// preamble is the frames that repeat the relations known so far.
func (w *writer) preamble(seq uint64, frameBytes int) [][]byte {
	var frames [][]byte
	var raw []byte
	seal := func() {
		if len(raw) == 0 {
			return
		}
		h := frame.Header{Kind: frame.Changes, Flags: frame.Synced, Seq: seq, First: w.tail.position, Last: w.tail.position}
		frames = append(frames, frame.Seal(nil, h, raw, w.compress))
		seq, raw = seq+1, raw[:0]
	}
	for _, m := range w.relations.messages() {
		if len(raw)+recordHeader+len(m) > frameBytes {
			seal()
		}
		raw = appendRecord(raw, w.tail.position, Message, m)
	}
	seal()
	return frames
}
