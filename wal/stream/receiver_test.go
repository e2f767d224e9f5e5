package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"replicator/wal"
	"replicator/wal/pgoutput"
)

// kept is a log that notes what it is given.
type kept struct {
	kinds []byte
	lsns  []wal.LSN
}

func (*kept) Restart()               {}
func (*kept) Mark(wal.LSN)           {}
func (*kept) Sync() (wal.LSN, error) { return 0, nil }

func (k *kept) Append(_ context.Context, lsn wal.LSN, msg []byte) error {
	k.kinds, k.lsns = append(k.kinds, msg[0]), append(k.lsns, lsn)
	return nil
}

// Messages of the tests, as the server writes them.
func begin(final wal.LSN) []byte {
	return binary.BigEndian.AppendUint32(u64([]byte{'B'}, uint64(final), 0), 7)
}

func commit(at, end wal.LSN) []byte { return u64([]byte{'C', 0}, uint64(at), uint64(end), 0) }

func u64(b []byte, values ...uint64) []byte {
	for _, v := range values {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

func start(xid uint32, first byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'S'}, xid), first)
}

func streamCommit(xid uint32, at, end wal.LSN) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'c'}, xid), commit(at, end)[1:]...)
}

func streamAbort(xid, sub uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{'A'}, xid), sub)
}

func inBlock(xid uint32) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'I'}, xid), insert[1:]...)
}

var (
	stop    = []byte{'E'}
	insert  = []byte{'I', 0, 0, 0, 1, 'N', 0, 1, 'n'}
	outside = append(u64([]byte{'M', 0}, 1), 0, 0, 0, 0, 0)
)

type step struct {
	lsn wal.LSN
	msg []byte
}

// TestReceiver: what is passed on, what is dropped, and what is refused; the log has everything up
// to 100.
func TestReceiver(t *testing.T) {
	for _, c := range []struct {
		name     string
		steps    []step
		want     string
		position wal.LSN
		bad      bool
	}{
		{"whole", []step{{110, begin(120)}, {0, insert}, {115, insert}, {120, commit(120, 130)}}, "BIIC", 130, false},
		{"one that we have", []step{{80, begin(90)}, {85, insert}, {90, commit(90, 100)}, {110, begin(120)}, {120, commit(120, 130)}}, "BC", 130, false},
		{"begins where we are", []step{{80, begin(100)}, {100, commit(100, 130)}}, "BC", 130, false},
		{"older changes, later commit", []step{{50, begin(120)}, {60, insert}, {120, commit(120, 130)}}, "BIC", 130, false},
		{"message outside", []step{{90, outside}, {110, begin(120)}, {120, commit(120, 130)}, {140, outside}}, "BC", 130, false},
		{"our position in a commit record", []step{{80, begin(90)}, {90, commit(90, 110)}}, "", 0, true},
		{"begin in begin", []step{{110, begin(120)}, {111, begin(121)}}, "", 0, true},
		{"begin in a dropped one", []step{{80, begin(90)}, {111, begin(121)}}, "", 0, true},
		{"commit without begin", []step{{120, commit(120, 130)}}, "", 0, true},
		{"commit of another", []step{{110, begin(120)}, {121, commit(121, 130)}}, "", 0, true},
		{"empty commit record", []step{{110, begin(120)}, {120, commit(120, 120)}}, "", 0, true},
		{"row outside", []step{{110, insert}}, "", 0, true},
		{"the same again", []step{{110, begin(120)}, {120, commit(120, 130)}, {110, begin(120)}}, "", 0, true},

		{"streamed", []step{{101, start(7, 1)}, {0, inBlock(7)}, {102, inBlock(8)}, {102, stop}, {103, start(7, 0)}, {104, inBlock(7)}, {105, stop}, {120, streamCommit(7, 120, 130)}}, "BIIIC", 130, false},
		{"two streamed and a whole one", []step{{101, start(7, 1)}, {101, inBlock(7)}, {101, stop}, {102, start(9, 1)}, {102, inBlock(9)}, {102, inBlock(9)}, {102, stop},
			{110, begin(120)}, {120, commit(120, 130)}, {140, streamCommit(9, 140, 150)}, {160, streamCommit(7, 160, 170)}}, "BCBIICBIC", 170, false},
		{"streamed, nothing in it", []step{{101, start(7, 1)}, {102, stop}, {120, streamCommit(7, 120, 130)}}, "BC", 130, false},
		{"rolled back", []step{{101, start(7, 1)}, {102, inBlock(7)}, {103, stop}, {120, streamAbort(7, 7)}, {121, start(7, 1)}, {122, stop}}, "", 100, false},
		{"rolled back in part", []step{{101, start(7, 1)}, {102, inBlock(7)}, {103, inBlock(8)}, {103, inBlock(9)}, {103, stop}, {110, streamAbort(7, 9)}, {110, streamAbort(7, 8)}, {120, streamCommit(7, 120, 130)}}, "BIC", 130, false},
		{"rolled back, never seen", []step{{101, streamAbort(7, 7)}, {101, start(8, 1)}, {102, stop}, {103, streamAbort(8, 9)}}, "", 100, false},
		{"streamed, one that we have", []step{{80, start(7, 1)}, {85, inBlock(7)}, {86, stop}, {90, streamCommit(7, 90, 100)}, {110, begin(120)}, {120, commit(120, 130)}}, "BC", 130, false},
		{"block in a transaction", []step{{110, begin(120)}, {111, start(7, 1)}}, "", 0, true},
		{"block in a block", []step{{110, start(7, 1)}, {111, start(8, 1)}}, "", 0, true},
		{"transaction in a block", []step{{110, start(7, 1)}, {111, begin(120)}}, "", 0, true},
		{"commit in a block", []step{{110, start(7, 1)}, {111, streamCommit(7, 111, 112)}}, "", 0, true},
		{"abort in a block", []step{{110, start(7, 1)}, {111, streamAbort(7, 7)}}, "", 0, true},
		{"end of no block", []step{{110, stop}}, "", 0, true},
		{"the first block twice", []step{{110, start(7, 1)}, {110, stop}, {111, start(7, 1)}}, "", 0, true},
		{"the first block missing", []step{{110, start(7, 0)}}, "", 0, true},
		{"commit of what never came", []step{{110, streamCommit(7, 120, 130)}}, "", 0, true},
		{"streamed, before where we are", []step{{101, start(7, 1)}, {102, stop}, {110, begin(120)}, {120, commit(120, 130)}, {130, streamCommit(7, 125, 135)}}, "", 0, true},
		{"prepare", []step{{110, []byte{'P'}}}, "", 0, true},
		{"nothing", []step{{110, nil}}, "", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &kept{}
			r := receiver{log: log, spool: &naive{}, start: 100, position: 100, at: 100, replayed: func([]byte) error { return nil }, spell: asItComes, hook: func(string) {}}
			var err error
			for _, s := range c.steps {
				if err = r.message(t.Context(), s.lsn, s.msg); err != nil {
					break
				}
			}
			if c.bad {
				if !errors.Is(err, ErrProtocol) && !errors.Is(err, pgoutput.ErrCorrupt) {
					t.Errorf("got %v, log has %q", err, log.kinds)
				}
				return
			}
			if err != nil || string(log.kinds) != c.want || r.position != c.position || r.open || slices.Contains(log.lsns, 0) {
				t.Errorf("%v, log has %q at %v, position %s, open %v", err, log.kinds, log.lsns, r.position, r.open)
			}
		})
	}
}

// TestReceiverCorrupt: a message that does not decode is that, not the server's fault.
func TestReceiverCorrupt(t *testing.T) {
	r := receiver{log: &kept{}, spell: asItComes}
	if err := r.message(t.Context(), 1, begin(120)[:20]); !errors.Is(err, pgoutput.ErrCorrupt) {
		t.Error(err)
	}
}

func TestStatusUpdate(t *testing.T) {
	b := statusUpdate(3, 2, time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC), true)
	want := append(u64([]byte{'d', 0, 0, 0, 38, 'r'}, 3, 2, 2, 1_000_000), 1)
	if !slices.Equal(b, want) || len(b) != 1+int(binary.BigEndian.Uint32(b[1:])) {
		t.Errorf("got %x, want %x", b, want)
	}
}
