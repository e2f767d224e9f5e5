package changelog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum"
	"replicator/checksum/frame"
	"replicator/replicator/fault"
)

// Open opens the log in a directory or begins one. It reads the headers of all segments, and every
// frame of the last one; the frames of the others are checked when they are read. A torn tail is cut
// off; damage is ErrCorrupt. Where the log ends within a transaction a restart follows.
//
// Only the caller can know whether what is cut had been confirmed: hold Durable against the slot
// before streaming (I10).
func Open(o Options) (*Log, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	l := &Log{opt: o, readers: map[*Reader]struct{}{}, changed: make(chan struct{})}
	l.w.relations = relations{}
	if o.Compress {
		e, err := frame.NewEncoder()
		if err != nil {
			return nil, fmt.Errorf("open change log: %w", err)
		}
		l.w.compress = e
	}
	if err := l.load(); err != nil {
		return nil, err
	}
	l.tail, l.durable, l.synced = l.w.tail, l.w.tail.position, l.w.size
	l.Restart()
	o.Logger.Debug("change log opened", "segments", len(l.segs), "bytes", l.Size(), "oldest", l.Oldest(), "durable", l.durable)
	return l, nil
}

func (l *Log) load() error {
	fs, dir := l.opt.FS, l.opt.Dir
	if err := fs.MkdirAll(dir, privateDir); err != nil {
		return ioError("make directory of the change log", err)
	}
	if err := syncDir(fs, fs.PathDir(dir)); err != nil {
		return ioError("fsync directory above the change log", err)
	}
	numbers, err := l.list()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if err := l.admit(n); err != nil {
			return err
		}
	}
	if len(l.segs) == 0 {
		l.w.tail.position = l.opt.Start
		return nil
	}
	return l.recover()
}

// list finds the segments and removes what was never finished.
func (l *Log) list() ([]uint64, error) {
	names, err := l.opt.FS.List(l.opt.Dir)
	if err != nil {
		return nil, ioError("list change log", err)
	}
	var numbers []uint64
	for _, name := range names {
		if n, ok := parseName(name); ok {
			numbers = append(numbers, n)
		} else if strings.HasSuffix(name, segmentSuffix+unfinished) || isSpool(name) {
			if err := l.opt.FS.Remove(l.opt.FS.PathJoin(l.opt.Dir, name)); err != nil {
				return nil, ioError("remove what a crash left in the change log", err)
			}
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// admit reads a segment's header and holds it against the segment before.
func (l *Log) admit(number uint64) error {
	path := l.path(number)
	f, err := l.opt.FS.Open(path)
	if err != nil {
		return ioError("open segment", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ioError("stat segment", err)
	}
	h, err := readHeader(f, l.opt.Key)
	after := l.opt.Start
	if len(l.segs) > 0 {
		after = l.last().last
	}
	var other *keyError
	if errors.As(err, &other) && len(l.segs) == 0 { // behind a segment that opens it can only be damage
		return fault.New(fault.Usage, fmt.Errorf("change log %s %w", l.opt.Dir, other), other.hint)
	}
	if isIO(err) {
		return ioError("open segment", err)
	}
	if err != nil {
		return corrupt(path, 0, after, after, err)
	}
	if h.job != checksum.Sum([]byte(l.opt.Job)) {
		return fault.New(fault.Store, fmt.Errorf("change log %s belongs to another job", path), "use another --dir")
	}
	if h.number != number || h.preamble < segmentHeader {
		return corrupt(path, 0, after, h.position, fmt.Errorf("it is segment %d", h.number))
	}
	if len(l.segs) > 0 {
		if err := l.follow(&h, path); err != nil {
			return err
		}
	}
	l.segs = append(l.segs, segment{header: h, size: info.Size(), last: h.position})
	l.bytes += info.Size()
	return nil
}

// follow checks that h comes right after the last segment admitted, and learns from h what that
// segment holds.
func (l *Log) follow(h *header, path string) error {
	s := l.last()
	switch {
	case h.number != s.number+1:
		return corrupt(l.path(s.number+1), 0, s.position, h.position, errors.New("segment is missing"))
	case h.seq < s.seq || h.position < s.position:
		return corrupt(path, 0, s.position, h.position, errors.New("segment is older than the one before"))
	case h.previousSize != s.size:
		return corrupt(l.path(s.number), min(s.size, h.previousSize), s.position, h.position,
			fmt.Errorf("segment has %d bytes, had %d", s.size, h.previousSize))
	}
	s.first, s.last = h.previousFirst, h.position
	return nil
}

// recover reads the last segment and writes what is valid there anew.
func (l *Log) recover() error {
	s, w := l.last(), &l.w
	old, err := l.opt.FS.Open(l.path(s.number), vfs.SequentialReadsOption)
	if err != nil {
		return ioError("open segment", err)
	}
	defer func() { _ = old.Close() }()
	w.seq, w.chain = s.seq, checksum.NewHasher()
	w.tail.position, w.tail.open, w.begin = s.position, s.open != 0, s.open
	path := l.path(s.number)
	err = w.create(l.opt.FS, path+unfinished, &s.header, l.opt.Key)
	if err != nil {
		err = ioError("recover change log", err)
	} else {
		err = l.salvage(old, s)
	}
	if err == nil {
		if err = l.publish(w, path); err == nil {
			err = syncDir(l.opt.FS, l.opt.Dir)
		}
		if err == nil {
			return nil
		}
		err = ioError("recover change log", err)
	}
	return errors.Join(err, w.discard(l.opt.FS, path+unfinished))
}
