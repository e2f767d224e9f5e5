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

var (
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
		{"stream start", []step{{110, []byte{'S', 0, 0, 0, 7, 1}}}, "", 0, true},
		{"prepare", []step{{110, []byte{'P'}}}, "", 0, true},
		{"nothing", []step{{110, nil}}, "", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &kept{}
			r := receiver{log: log, start: 100, position: 100, at: 100}
			var err error
			for _, s := range c.steps {
				if err = r.message(t.Context(), s.lsn, s.msg); err != nil {
					break
				}
			}
			if c.bad {
				if !errors.Is(err, ErrProtocol) {
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
	r := receiver{log: &kept{}}
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
