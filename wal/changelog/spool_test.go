package changelog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"replicator/replicator/fault"
	"replicator/wal"
)

func spoolOf(t testing.TB, l *Log) *Spool {
	t.Helper()
	s, err := l.Spool()
	check(t, err)
	return s
}

// replayed is what a transaction in the spool comes to.
func replayed(t testing.TB, s *Spool, top uint32) []string {
	t.Helper()
	var got []string
	check(t, s.Replay(top, func(_ wal.LSN, msg []byte) error {
		got = append(got, string(msg))
		return nil
	}))
	return got
}

// spoolFiles are the files of spools in the log's directory.
func spoolFiles(t testing.TB, fs vfs.FS) []string {
	t.Helper()
	names, err := fs.List(dir)
	check(t, err)
	return slices.DeleteFunc(names, func(n string) bool { return !isSpool(n) })
}

// session is a transaction of a client: the change that it makes next belongs to the innermost
// subtransaction, ids are given when they are needed and to those around first. Its changes are kept
// with the chain of subtransactions that made them, so that what a rollback voids needs no thought.
type session struct {
	top     uint32
	next    *uint32
	stack   []uint32 // open subtransactions; 0: has no id yet
	parents map[uint32]uint32
	void    map[uint32]bool
	changes []made
	shown   map[uint32]bool // has made something that was sent
}

type made struct {
	xid uint32
	msg string
}

func (s *session) id() uint32 {
	around := s.top
	for i, x := range s.stack {
		if x == 0 {
			*s.next++
			x = *s.next
			s.stack[i], s.parents[x] = x, around
		}
		around = x
	}
	return around
}

// rollback voids the innermost subtransaction, and returns the ids that the server names: of those
// within it, then of itself, as far as they had made something.
func (s *session) rollback() (named []uint32) {
	x := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	if x == 0 {
		return nil
	}
	for sub := range s.parents {
		for at := sub; at != s.top; at = s.parents[at] {
			if at == x && !s.void[sub] {
				named = append(named, sub)
				break
			}
		}
	}
	slices.SortFunc(named, func(a, b uint32) int {
		switch { // itself comes last
		case a == x:
			return 1
		case b == x:
			return -1
		}
		return int(int32(a - b))
	})
	for _, sub := range named {
		s.void[sub] = true
	}
	return slices.DeleteFunc(named, func(sub uint32) bool { return !s.shown[sub] })
}

// left is what commits.
func (s *session) left() []string {
	var left []string
	for _, c := range s.changes {
		if !s.void[c.xid] {
			left = append(left, c.msg)
		}
	}
	return left
}

// TestSpool: transactions with nested subtransactions, some released and some rolled back, come out of
// the spool as they committed. Ids wrap around on the way.
func TestSpool(t *testing.T) {
	everyForm(t, func(t *testing.T, options form) {
		random := seeded(t)
		fs := newFS(t)
		o := options(fs)
		o.SegmentBytes = 4 << 10
		l := open(t, o)
		s := spoolOf(t, l)
		next := uint32(0xffff_ff00)
		var open []*session
		for n := range 400 {
			if len(open) < 1+random.IntN(4) {
				next++
				x := &session{top: next, next: &next, parents: map[uint32]uint32{}, void: map[uint32]bool{}, shown: map[uint32]bool{}}
				open = append(open, x)
				s.Begin(x.top)
			}
			i := random.IntN(len(open))
			x := open[i]
			x.work(t, random, s, n)
			if random.IntN(8) > 0 {
				continue
			}
			open = slices.Delete(open, i, i+1)
			if random.IntN(4) == 0 {
				check(t, s.Abort(x.top, x.top))
			} else if got, want := replayed(t, s, x.top), x.left(); !slices.Equal(got, want) {
				t.Fatalf("transaction %d: %d messages, want %d:\n%.300q\n%.300q", x.top, len(got), len(want), got, want)
			}
			if s.Has(x.top) {
				t.Fatal("a transaction that has ended is still there")
			}
		}
		check(t, s.Reset())
		if files := spoolFiles(t, fs); len(files) > 0 || l.Spooled() != 0 {
			t.Errorf("left over: %q, %d bytes", files, l.Spooled())
		}
		check(t, l.Close())
	})
}

// work is some changes, savepoints, releases and rollbacks, and the end of a block. A rollback is
// told outside of blocks, when what came before it has been sent or never is.
func (s *session) work(t *testing.T, random *rand.Rand, spool *Spool, n int) {
	var block []made
	send := func() {
		for _, c := range block {
			check(t, spool.Append(t.Context(), s.top, c.xid, 1, []byte(c.msg)))
			s.shown[c.xid] = true
		}
		check(t, spool.Flush(t.Context()))
		s.changes, block = append(s.changes, block...), nil
	}
	for i := range random.IntN(20) {
		switch random.IntN(7) {
		case 0, 1:
			s.stack = append(s.stack, 0)
		case 2:
			if len(s.stack) > 0 {
				s.stack = s.stack[:len(s.stack)-1]
			}
		case 3:
			if len(s.stack) == 0 {
				continue
			}
			send()
			for _, sub := range s.rollback() {
				check(t, spool.Abort(s.top, sub))
			}
		default:
			block = append(block, made{s.id(), fmt.Sprintf("%d.%d %s", n, i, strings.Repeat("x", random.IntN(300)))})
		}
	}
	send()
}

// TestSpoolOfAnotherTime: what a crash left is removed, and what Reset forgets may come again.
func TestSpoolOfAnotherTime(t *testing.T) {
	fs := newFS(t)
	l := open(t, options(fs))
	s := spoolOf(t, l)
	s.Begin(7)
	check(t, s.Append(t.Context(), 7, 7, 1, []byte("old")))
	check(t, s.Flush(t.Context()))
	if len(spoolFiles(t, fs)) != 1 || l.Size() == 0 || l.Size() != l.Spooled() {
		t.Fatalf("files %q, %d bytes", spoolFiles(t, fs), l.Size())
	}
	l = open(t, options(fs))
	if files := spoolFiles(t, fs); len(files) != 0 {
		t.Errorf("left over: %q", files)
	}
	s = spoolOf(t, l)
	for _, body := range []string{"first", "second"} {
		s.Begin(7)
		check(t, s.Append(t.Context(), 7, 8, 1, []byte(body)))
		check(t, s.Flush(t.Context()))
		if body == "first" {
			check(t, s.Reset())
		}
	}
	if got := replayed(t, s, 7); !slices.Equal(got, []string{"second"}) {
		t.Errorf("got %q", got)
	}
}

// TestSpoolBudget: the spool takes half of the budget and says so then; what it gives back the log
// may have.
func TestSpoolBudget(t *testing.T) {
	fs := newFS(t)
	o := options(fs)
	o.Budget = 32 << 10
	l := open(t, o)
	s := spoolOf(t, l)
	fill := func(xid uint32) (err error) {
		s.Begin(xid)
		for err == nil {
			err = s.Append(t.Context(), xid, xid, 1, make([]byte, 500))
		}
		return err
	}
	if err := fill(1); !errors.Is(err, ErrFull) || l.Spooled() > o.Budget/2 || l.Spooled() < o.Budget/4 {
		t.Fatalf("%v at %d bytes", err, l.Spooled())
	}
	check(t, s.Reset())
	if err := fill(2); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	// The log has the other half, and then waits.
	ctx, cancel := context.WithCancelCause(t.Context())
	l.opt.Hook = func(point string) {
		if point == AfterSync && l.Full() {
			cancel(errEnd)
		}
	}
	check(t, l.Append(ctx, 110, begin(200, 1)))
	var err error
	for n := 0; err == nil; n++ {
		if l.over() {
			cancel(errEnd)
		}
		err = l.Append(ctx, 110, insert(1, strings.Repeat("x", 500)))
	}
	if !errors.Is(err, errEnd) || l.Size() < o.Budget || !l.Full() {
		t.Fatalf("%v at %d bytes", err, l.Size())
	}
	check(t, s.Reset())
	if l.Full() {
		t.Error("there is room again and the alarm goes on")
	}
	check(t, l.Append(t.Context(), 110, insert(1, "fits")))
}

// TestSpoolDamage: a frame that is not what was written is never replayed; the job stops, with
// nothing lost.
func TestSpoolDamage(t *testing.T) {
	everyForm(t, func(t *testing.T, options form) {
		fs := newFS(t)
		s := spoolOf(t, open(t, options(fs)))
		for at := 0; ; at += 7 {
			s.Begin(7)
			check(t, s.Append(t.Context(), 7, 7, 1, []byte("a row of a patient")))
			check(t, s.Flush(t.Context()))
			path := fs.PathJoin(dir, spoolFiles(t, fs)[0])
			b := contents(t, fs, path)
			if at >= len(b) {
				break
			}
			b[at] ^= 0x10
			put(t, fs, path, b)
			check(t, s.close()) // what is open is the file that was replaced
			err := s.Replay(7, func(wal.LSN, []byte) error { t.Fatalf("byte %d: replayed", at); return nil })
			if fault.CodeOf(err) != fault.Store || errors.Is(err, ErrFull) || strings.Contains(err.Error(), "patient") {
				t.Fatalf("byte %d: %v", at, err)
			}
			check(t, s.Reset())
		}
	})
}

// TestSpoolDiskFull: a full disk is told as such, and the spool can be emptied.
func TestSpoolDiskFull(t *testing.T) {
	fs := newFS(t)
	full := false
	o := options(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full && op.Kind == errorfs.OpFileWriteAt {
			return syscall.ENOSPC
		}
		return nil
	})))
	l := open(t, o)
	s := spoolOf(t, l)
	s.Begin(7)
	check(t, s.Append(t.Context(), 7, 7, 1, []byte("x")))
	check(t, s.Flush(t.Context()))
	full = true
	check(t, s.Append(t.Context(), 7, 7, 1, []byte("y")))
	if err := s.Flush(t.Context()); !errors.Is(err, ErrFull) || fault.CodeOf(err) != fault.Store {
		t.Fatal(err)
	}
	check(t, s.Reset())
	if l.Spooled() != 0 || len(spoolFiles(t, fs)) != 0 {
		t.Errorf("%d bytes, %q", l.Spooled(), spoolFiles(t, fs))
	}
}

// TestSpoolIsSealed: with a key no file shows a row.
func TestSpoolIsSealed(t *testing.T) {
	fs := newFS(t)
	s := spoolOf(t, open(t, withKey(fs)))
	s.Begin(7)
	check(t, s.Append(t.Context(), 7, 7, 1, []byte("CANARY: a row of a patient")))
	check(t, s.Flush(t.Context()))
	for _, name := range spoolFiles(t, fs) {
		if strings.Contains(string(contents(t, fs, fs.PathJoin(dir, name))), "CANARY") {
			t.Errorf("%s shows a row", name)
		}
	}
}
