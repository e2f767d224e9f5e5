package changelog

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/atrest"
	"replicator/checksum/frame"
	"replicator/replicator/fault"
	"replicator/wal"
)

// logbook is the log that the damage tests damage: several segments, each with several synced groups.
func logbook(t *testing.T, fs vfs.FS, options form) (Options, []wal.LSN, []segment) {
	t.Helper()
	o := options(fs)
	o.SegmentBytes, o.FrameBytes = 40<<10, 2<<10
	l := open(t, o)
	var ends []wal.LSN
	for end := wal.LSN(200); end < 4000; end += 100 {
		transaction(t, l, end, 5, 500)
		ends = append(ends, end)
		if end%300 == 0 {
			synced(t, l)
		}
	}
	synced(t, l)
	segs := slices.Clone(l.segs)
	if len(segs) < 3 {
		t.Fatalf("only %d segments", len(segs))
	}
	check(t, l.Close())
	return o, ends, segs
}

// outcome opens and reads the log. What was handed out must be a beginning of what was written.
func outcome(t *testing.T, o Options, ends []wal.LSN) (durable wal.LSN, err error) {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		return 0, err
	}
	defer func() { check(t, l.Close()) }()
	r, err := l.Reader(100)
	if err != nil {
		return l.Durable(), err
	}
	defer func() { check(t, r.Close()) }()
	c := &consumer{position: 100}
	err = c.drain(t.Context(), r)
	if len(c.ended) > len(ends) || !slices.Equal(c.ended, ends[:len(c.ended)]) {
		t.Fatalf("the log gave %v", c.ended)
	}
	if err == nil && len(c.ended) > 0 && c.position != l.Durable() {
		t.Fatalf("durable %s, read to %s", l.Durable(), c.position)
	}
	return l.Durable(), err
}

// wantCorrupt checks the class, the exit code and that the place is named.
func wantCorrupt(t *testing.T, what string, err error, file string) {
	t.Helper()
	var c *CorruptError
	switch {
	case !errors.Is(err, ErrCorrupt) || !errors.As(err, &c):
		t.Fatalf("%s: %v", what, err)
	case fault.CodeOf(err) != fault.Store || fault.HintOf(err) == "":
		t.Fatalf("%s: exit code %d, hint %q", what, fault.CodeOf(err), fault.HintOf(err))
	case !strings.HasSuffix(c.File, file):
		t.Fatalf("%s: names %s, want %s: %v", what, c.File, file, err)
	case c.UpTo < c.After || c.After < 100:
		t.Fatalf("%s: names LSNs from %s to %s", what, c.After, c.UpTo)
	}
}

// TestEveryPageFlipped flips a bit in every 64 bytes of every segment, one at a time. In a closed
// segment that is always corruption. In the last one it is too, unless it lies in the last group of
// frames: nothing proves that this was ever on disk, so it is cut, and Durable says so.
func TestEveryPageFlipped(t *testing.T) { everyForm(t, everyPageFlipped) }

func everyPageFlipped(t *testing.T, options form) {
	fs := vfs.NewMem()
	check(t, fs.MkdirAll("state", 0o700))
	o, ends, segs := logbook(t, fs, options)
	for i, s := range segs {
		name := segmentName(s.number)
		path := fs.PathJoin(dir, name)
		whole := contents(t, fs, path)
		lastPath := fs.PathJoin(dir, segmentName(segs[len(segs)-1].number))
		last := contents(t, fs, lastPath)
		for at := 0; at < len(whole); at += 64 {
			b := bytes.Clone(whole)
			b[at] ^= 1 << (at / 64 % 8)
			put(t, fs, path, b)
			durable, err := outcome(t, o, ends)
			if err != nil {
				wantCorrupt(t, "flip", err, name)
			} else if i < len(segs)-1 || durable == ends[len(ends)-1] {
				t.Fatalf("flip at %d of segment %d of %d: nobody saw it", at, i, len(segs))
			}
			put(t, fs, path, whole)
			put(t, fs, lastPath, last)
		}
	}
}

// TestTornOrDamaged: in the last segment a damaged frame is a torn tail only when nothing behind it
// proves that it had been on disk.
func TestTornOrDamaged(t *testing.T) { everyForm(t, tornOrDamaged) }

func tornOrDamaged(t *testing.T, options form) {
	fs := newFS(t)
	o := options(fs)
	l := open(t, o)
	var sizes []int64
	for end := wal.LSN(200); end <= 500; end += 100 {
		transaction(t, l, end, 1, 100)
		if end != 300 {
			synced(t, l) // 200 | 300 400 | 500, each in a frame of its own
		} else {
			check(t, l.flush())
		}
		sizes = append(sizes, l.Size())
	}
	check(t, l.Close())
	path := l.path(1)
	whole := contents(t, fs, path)
	for name, c := range map[string]struct {
		damage  func(b []byte) []byte
		durable wal.LSN // 0: corrupt
	}{
		"first of two in the middle group":             {func(b []byte) []byte { b[sizes[0]+80] ^= 1; return b }, 0},
		"second of the middle group":                   {func(b []byte) []byte { b[sizes[1]+80] ^= 1; return b }, 0},
		"first of the last group, its second is there": {func(b []byte) []byte { b = b[:sizes[2]]; b[sizes[0]+80] ^= 1; return b }, 200},
		"header of the first of the last group":        {func(b []byte) []byte { b = b[:sizes[2]]; b[sizes[0]+2] ^= 1; return b }, 200},
		"second of the last group":                     {func(b []byte) []byte { b = b[:sizes[2]]; b[sizes[1]+80] ^= 1; return b }, 300},
		"last frame":                                   {func(b []byte) []byte { b[sizes[2]+80] ^= 1; return b }, 400},
		"last frame cut":                               {func(b []byte) []byte { return b[:len(b)-1] }, 400},
		"only the header of the last frame":            {func(b []byte) []byte { return b[:sizes[2]+72] }, 400},
		"half a header":                                {func(b []byte) []byte { return b[:sizes[2]+30] }, 400},
		"zeros behind":                                 {func(b []byte) []byte { return append(b, make([]byte, 5000)...) }, 500},
		"nothing but the header":                       {func(b []byte) []byte { return b[:segmentHeader] }, 100},
		"header":                                       {func(b []byte) []byte { b[20] ^= 1; return b }, 0},
		"header cut":                                   {func(b []byte) []byte { return b[:segmentHeader-1] }, 0},
		"frame twice":                                  {func(b []byte) []byte { return append(b, b[sizes[2]:]...) }, 500},
		"frame of the middle left out":                 {func(b []byte) []byte { return append(b[:sizes[0]:sizes[0]], b[sizes[1]:]...) }, 0},
	} {
		put(t, fs, path, c.damage(bytes.Clone(whole)))
		l, err := Open(o)
		switch {
		case c.durable == 0:
			wantCorrupt(t, name, err, segmentName(1))
			continue
		case err != nil:
			t.Errorf("%s: %v", name, err)
			continue
		case l.Durable() != c.durable:
			t.Errorf("%s: durable %s, want %s", name, l.Durable(), c.durable)
		}
		// The log goes on from there.
		transaction(t, l, 600, 1, 50)
		synced(t, l)
		if got := readAll(t, l, 100); got.position != 600 {
			t.Errorf("%s: read to %s", name, got.position)
		}
		check(t, l.Close())
	}
}

func TestSegmentsGone(t *testing.T) { everyForm(t, segmentsGone) }

func segmentsGone(t *testing.T, options form) {
	for name, c := range map[string]struct {
		damage  func(fs vfs.FS, paths []string) error
		file    int // the segment named, -1: no error
		durable func(segs []segment) wal.LSN
	}{
		"middle deleted":                {func(fs vfs.FS, p []string) error { return fs.Remove(p[1]) }, 1, nil},
		"middle is a copy of the first": {func(fs vfs.FS, p []string) error { return vfs.Copy(fs, p[0], p[1]) }, 1, nil},
		"first cut":                     {func(fs vfs.FS, p []string) error { return cut(fs, p[0], 100) }, 0, nil},
		"middle cut":                    {func(fs vfs.FS, p []string) error { return cut(fs, p[1], 1) }, 1, nil},
		"last deleted": {func(fs vfs.FS, p []string) error { return fs.Remove(p[len(p)-1]) }, -1,
			func(segs []segment) wal.LSN { return segs[len(segs)-1].position }},
		"all deleted": {func(fs vfs.FS, p []string) error { return fs.RemoveAll(dir) }, -1,
			func([]segment) wal.LSN { return 100 }},
	} {
		fs := vfs.NewMem()
		check(t, fs.MkdirAll("state", 0o700))
		o, ends, segs := logbook(t, fs, options)
		var paths []string
		for _, s := range segs {
			paths = append(paths, fs.PathJoin(dir, segmentName(s.number)))
		}
		check(t, c.damage(fs, paths))
		durable, err := outcome(t, o, ends)
		if c.file >= 0 {
			wantCorrupt(t, name, err, segmentName(segs[c.file].number))
		} else if err != nil || durable != c.durable(segs) {
			// The caller holds this against the slot: position lost.
			t.Errorf("%s: durable %s, %v", name, durable, err)
		}
	}
	// The first one deleted looks like a trimmed log: a reader that needs it is told.
	fs := vfs.NewMem()
	check(t, fs.MkdirAll("state", 0o700))
	o, ends, segs := logbook(t, fs, options)
	check(t, fs.Remove(fs.PathJoin(dir, segmentName(segs[0].number))))
	if _, err := outcome(t, o, ends); !errors.Is(err, ErrTrimmed) || fault.CodeOf(err) != fault.PositionLost {
		t.Errorf("first deleted: %v", err)
	}
}

// TestDamageWhileOpen: a reader checks what it reads, whatever Open has seen.
func TestDamageWhileOpen(t *testing.T) { everyForm(t, damageWhileOpen) }

func damageWhileOpen(t *testing.T, options form) {
	for name, damage := range map[string]func(fs vfs.FS, p string, b []byte) error{
		"deleted": func(fs vfs.FS, p string, _ []byte) error { return fs.Remove(p) },
		"flipped": func(fs vfs.FS, p string, b []byte) error { b[len(b)/2] ^= 4; return write(fs, p, b) },
		"cut":     func(fs vfs.FS, p string, b []byte) error { return write(fs, p, b[:len(b)-3]) },
		"header":  func(fs vfs.FS, p string, b []byte) error { b[9] ^= 4; return write(fs, p, b) },
		// A frame of the same number and length whose digest is right: an older state of the disk.
		"stale": func(fs vfs.FS, p string, b []byte) error { return stale(fs, p, b, options(fs).Key) },
	} {
		fs := vfs.NewMem()
		check(t, fs.MkdirAll("state", 0o700))
		o, _, segs := logbook(t, fs, options)
		l := open(t, o)
		path := l.path(segs[1].number)
		check(t, damage(fs, path, contents(t, fs, path)))
		r, err := l.Reader(100)
		check(t, err)
		wantCorrupt(t, name, (&consumer{position: 100}).drain(t.Context(), r), segmentName(segs[1].number))
		check(t, r.Close())
		check(t, l.Close())
	}
}

func cut(fs vfs.FS, path string, n int64) error {
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), write(fs, path, b[:int64(len(b))-n]))
}

func write(fs vfs.FS, path string, b []byte) error {
	f, err := fs.Create(path, writeCategory)
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.Clone(b))
	return errors.Join(err, f.Close())
}

// stale seals the first frame again with another byte in its rows.
func stale(fs vfs.FS, path string, b []byte, k *atrest.Key) error {
	c := newCoat(k, b[segmentDigest:segmentHeader])
	lies, err := readFrame(bytes.NewReader(b), segmentHeader, int64(len(b)), nil, c)
	if err != nil {
		return err
	}
	sealed, err := c.take(nil, lies)
	if err != nil {
		return err
	}
	h, raw, err := frame.Open(sealed, nil)
	if err != nil {
		return err
	}
	raw[len(raw)-1] ^= 1
	copy(b[segmentHeader:], c.put(frame.Seal(nil, h, raw, nil)))
	return write(fs, path, b)
}
