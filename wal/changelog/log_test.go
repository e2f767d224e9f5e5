package changelog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/wal"
)

func TestAppendSyncRead(t *testing.T) { everyForm(t, appendSyncRead) }

func appendSyncRead(t *testing.T, options form) {
	for _, compress := range []bool{false, true} {
		o := options(newFS(t))
		o.Compress = compress
		l := open(t, o)
		if l.Durable() != 100 || l.Oldest() != 100 || l.Size() != 0 {
			t.Fatalf("new log: durable %s, oldest %s, size %d", l.Durable(), l.Oldest(), l.Size())
		}
		transaction(t, l, 200, 3, 10)
		if l.Durable() != 100 || l.Appended() != 200 {
			t.Fatalf("before sync: durable %s, appended %s", l.Durable(), l.Appended())
		}
		if got := synced(t, l); got != 200 {
			t.Fatalf("sync gives %s", got)
		}
		transaction(t, l, 300, 100, 200)
		l.Mark(350)
		synced(t, l)
		if got := readAll(t, l, 100); !slices.Equal(got.ended, []wal.LSN{200, 300}) || got.position != 350 {
			t.Fatalf("read %v up to %s", got.ended, got.position)
		}
		check(t, l.Close())
		l = open(t, o)
		if l.Durable() != 350 || l.Appended() != 350 {
			t.Fatalf("opened again: durable %s", l.Durable())
		}
		if got := readAll(t, l, 200); !slices.Equal(got.ended, []wal.LSN{300}) {
			t.Fatalf("read after 200: %v", got.ended)
		}
		check(t, l.Close())
	}
}

func TestAppendRefuses(t *testing.T) {
	l := open(t, options(newFS(t)))
	defer func() { check(t, l.Close()) }()
	ctx := t.Context()
	transaction(t, l, 200, 1, 1)
	for name, msgs := range map[string][][]byte{
		"commit without begin": {commit(300)},
		"commit again":         {begin(199, 1), commit(200)},
		"begin twice":          {begin(300, 1), begin(301, 2)},
		"empty":                {{}},
	} {
		var err error
		for _, m := range msgs {
			if err = l.Append(ctx, 1, m); err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%s is taken", name)
		}
		l.Restart()
	}
}

// TestMarkInsideTransaction: what a keepalive shows while a transaction is under way is not durable.
func TestMarkInsideTransaction(t *testing.T) {
	l := open(t, options(newFS(t)))
	defer func() { check(t, l.Close()) }()
	check(t, l.Append(t.Context(), 190, begin(250, 1)))
	l.Mark(400)
	if got := synced(t, l); got != 100 {
		t.Fatalf("durable %s", got)
	}
	check(t, l.Append(t.Context(), 250, commit(260)))
	if got := synced(t, l); got != 260 {
		t.Fatalf("durable %s", got)
	}
}

// TestRestart: a transaction that broke off is void for the reader, on reopening as on Restart.
func TestRestart(t *testing.T) { everyForm(t, restart) }

func restart(t *testing.T, options form) {
	fs := newFS(t)
	l := open(t, options(fs))
	transaction(t, l, 200, 2, 10)
	for _, reopen := range []bool{false, true} {
		check(t, l.Append(t.Context(), 250, begin(299, 3)))
		check(t, l.Append(t.Context(), 251, insert(7, "half")))
		synced(t, l)
		if reopen {
			check(t, l.Close())
			l = open(t, options(fs))
		} else {
			l.Restart()
			l.Restart() // once is enough
		}
	}
	if l.Appended() != 200 {
		t.Fatalf("appended %s", l.Appended())
	}
	transaction(t, l, 300, 5, 10)
	synced(t, l)
	got := readAll(t, l, 100)
	if !slices.Equal(got.ended, []wal.LSN{200, 300}) || got.restarts != 2 || got.messages != 5 {
		t.Fatalf("ended %v, %d restarts, last transaction of %d messages", got.ended, got.restarts, got.messages)
	}
	check(t, l.Close())
}

// TestEverySegmentHasItsRelations reads from each segment on: the relations known are those of that
// time, not later ones.
func TestEverySegmentHasItsRelations(t *testing.T) { everyForm(t, everySegmentHasItsRelations) }

func everySegmentHasItsRelations(t *testing.T, options form) {
	o := options(newFS(t))
	l := open(t, o)
	version := map[wal.LSN]string{}
	for i := range 60 {
		end := wal.LSN(200 + 100*i)
		check(t, l.Append(t.Context(), end, begin(end-1, 1)))
		v := "v" + strings.Repeat("i", i/10)
		if i%10 == 0 {
			check(t, l.Append(t.Context(), end, relationMessage(7, v)))
		}
		if i == 0 {
			check(t, l.Append(t.Context(), end, relationMessage(8, "constant")))
		}
		check(t, l.Append(t.Context(), end, insert(7, strings.Repeat("x", 900))))
		check(t, l.Append(t.Context(), end, commit(end)))
		version[end] = v
		synced(t, l)
		if i == 30 {
			check(t, l.Close())
			l = open(t, o)
		}
	}
	if len(l.segs) < 5 {
		t.Fatalf("only %d segments", len(l.segs))
	}
	for i := range l.segs {
		r := &Reader{log: l, number: l.segs[i].number, reached: true}
		c := &consumer{position: l.segs[i].position}
		seen := 0
		for {
			sealed, err := r.Next(ended(t))
			if errors.Is(err, errEnd) {
				break
			}
			check(t, err)
			check(t, c.frame(sealed))
			if len(c.ended) > seen {
				seen = len(c.ended)
				if want := version[c.position]; c.relations[7] != want || c.relations[8] != "constant" {
					t.Fatalf("segment %d at %s: relations %v, want %s", i, c.position, c.relations, want)
				}
			}
		}
		check(t, r.Close())
	}
	check(t, l.Close())
}

// TestReaderPassesOver: a reader that begins late in a segment is not given what lies before, but for the
// relations that were described there.
func TestReaderPassesOver(t *testing.T) { everyForm(t, readerPassesOver) }

func readerPassesOver(t *testing.T, options form) {
	o := options(newFS(t))
	o.SegmentBytes = 1 << 20
	l := open(t, o)
	check(t, l.Append(t.Context(), 150, begin(199, 1)))
	check(t, l.Append(t.Context(), 150, relationMessage(7, "early")))
	check(t, l.Append(t.Context(), 199, commit(200)))
	for i := range 300 {
		transaction(t, l, wal.LSN(300+100*i), 3, 200)
		synced(t, l)
	}
	for _, from := range []wal.LSN{100, 10_000, 30_000, 30_100, 40_000} {
		r, err := l.Reader(from)
		check(t, err)
		c, frames := &consumer{position: from}, 0
		for {
			sealed, err := r.Next(ended(t))
			if errors.Is(err, errEnd) {
				break
			}
			check(t, err)
			check(t, c.frame(sealed))
			frames++
		}
		check(t, r.Close())
		left := max(0, (30_200-int(max(from, 200)))/100) // one transaction a frame
		if from < 30_200 && c.relations[7] != "early" {
			t.Errorf("after %s: the relation is not known", from)
		}
		if frames > left+2 || len(c.ended) < left {
			t.Errorf("after %s: %d frames with %d transactions, want those of %d", from, frames, len(c.ended), left)
		}
	}
	check(t, l.Close())
}

// TestSpanning: wherever a transaction lies across segments, every reader meets all of what it asked
// for, and nothing that a reader needs is trimmed.
func TestSpanning(t *testing.T) { everyForm(t, spanning) }

func spanning(t *testing.T, options form) {
	rng := seeded(t)
	o := options(newFS(t))
	l := open(t, o)
	var ends []wal.LSN
	for end := wal.LSN(200); end < 12000; end += 100 {
		n := rng.IntN(5)
		if rng.IntN(8) == 0 {
			n = 100 // several segments
		}
		transaction(t, l, end, n, 200)
		ends = append(ends, end)
		switch rng.IntN(6) {
		case 0:
			synced(t, l)
		case 1:
			l.Mark(end + 50)
		case 2:
			check(t, l.Append(t.Context(), end+1, begin(end+60, 1)))
			for range rng.IntN(60) {
				check(t, l.Append(t.Context(), end+1, insert(1, strings.Repeat("y", 300))))
			}
			l.Restart()
		}
	}
	synced(t, l)
	for round := range 2 {
		for from := wal.LSN(100); from < 12000; from += 50 {
			i, _ := slices.BinarySearch(ends, from+1)
			if got := readAll(t, l, from); !slices.Equal(got.ended, ends[i:]) {
				t.Fatalf("round %d after %s: %d transactions, want %d", round, from, len(got.ended), len(ends[i:]))
			}
		}
		check(t, l.Close())
		l = open(t, o)
	}
	for from := wal.LSN(100); from < 12000; from += 150 {
		check(t, l.TrimBefore(from))
		i, _ := slices.BinarySearch(ends, from+1)
		if got := readAll(t, l, from); !slices.Equal(got.ended, ends[i:]) {
			t.Fatalf("trimmed before %s: %d transactions, want %d", from, len(got.ended), len(ends[i:]))
		}
		readAll(t, l, l.Oldest())
	}
	if len(l.segs) > 3 {
		t.Errorf("%d segments are left", len(l.segs))
	}
	if _, err := l.Reader(100); !errors.Is(err, ErrTrimmed) {
		t.Errorf("reader of what is trimmed: %v", err)
	}
	check(t, l.Close())
}

func TestPermissions(t *testing.T) {
	o := options(vfs.Default)
	o.Dir = filepath.Join(t.TempDir(), "changes")
	l := open(t, o)
	transaction(t, l, 200, 1, 1)
	synced(t, l)
	check(t, l.Close())
	l = open(t, o) // writes the last segment anew
	check(t, l.Close())
	want := map[string]os.FileMode{".": 0o700, segmentName(1): 0o600}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(o.Dir, name))
		check(t, err)
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
}

func TestOtherJob(t *testing.T) { everyForm(t, otherJob) }

func otherJob(t *testing.T, options form) {
	o := options(newFS(t))
	l := open(t, o)
	transaction(t, l, 200, 1, 1)
	synced(t, l)
	check(t, l.Close())
	o.Job = "another"
	if _, err := Open(o); err == nil || errors.Is(err, ErrCorrupt) {
		t.Fatalf("log of another job: %v", err)
	}
}

// TestHugeMessage: a message far beyond a frame passes, and its memory is not kept.
func TestHugeMessage(t *testing.T) { everyForm(t, hugeMessage) }

func hugeMessage(t *testing.T, options form) {
	o := options(newFS(t))
	o.Compress = true
	l := open(t, o)
	check(t, l.Append(t.Context(), 150, begin(199, 1)))
	check(t, l.Append(t.Context(), 151, insert(1, strings.Repeat("large ", 1<<20))))
	check(t, l.Append(t.Context(), 152, commit(200)))
	synced(t, l)
	if n := cap(l.in.raw) + cap(l.w.out.raw) + cap(l.w.sealed); n > 12*o.FrameBytes {
		t.Errorf("%d bytes are kept", n)
	}
	if got := readAll(t, l, 100); !slices.Equal(got.ended, []wal.LSN{200}) {
		t.Errorf("read %v", got.ended)
	}
	check(t, l.Close())
}

// TestGolden holds the layout of a segment: a change of it needs a new magic.
func TestGolden(t *testing.T) {
	fs := newFS(t)
	o := options(fs)
	o.SegmentBytes = 1
	l := open(t, o)
	check(t, l.Append(t.Context(), 0x150, begin(0x1FF, 9)))
	check(t, l.Append(t.Context(), 0x151, relationMessage(7, "public.ward")))
	synced(t, l)
	check(t, l.Append(t.Context(), 0x200, commit(0x200)))
	l.Mark(0x300)
	synced(t, l)
	check(t, l.Close())
	for _, n := range []uint64{1, 2} {
		got := contents(t, fs, l.path(n))
		want, err := os.ReadFile("testdata/v1." + segmentName(n))
		check(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("segment %d is now\n%x", n, got)
		}
	}
}
