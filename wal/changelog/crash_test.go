package changelog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/wal"
)

// life is a random history of a log, crashed at its dangerous instants. A crash leaves what was
// synced and any mixture of the rest, page by page and name by name.
type life struct {
	t   *testing.T
	rng *rand.Rand
	fs  *vfs.MemFS
	o   Options
	l   *Log

	appended []wal.LSN // commits, in order, durable or not
	durable  wal.LSN   // what Sync has promised
	trimmed  wal.LSN
	fuse     int        // hooks until the crash
	crashed  *vfs.MemFS // what the crash left
	// What had been promised when it happened.
	promised, forgotten wal.LSN
}

func (x *life) hook(string) {
	x.fuse--
	if x.fuse != 0 || x.crashed != nil {
		return
	}
	x.crash()
}

func (x *life) crash() {
	percent := []int{0, 20, 50, 80, 100}[x.rng.IntN(5)]
	x.crashed = x.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: x.rng})
	x.promised, x.forgotten = x.durable, x.trimmed
}

// step does one random thing.
func (x *life) step(end wal.LSN) {
	t, ctx := x.t, x.t.Context()
	check(t, x.l.Append(ctx, end-10, begin(end-1, 1)))
	for range x.rng.IntN(8) {
		check(t, x.l.Append(ctx, end-9, insert(1, strings.Repeat("r", x.rng.IntN(6000)))))
	}
	if x.rng.IntN(10) == 0 {
		x.l.Restart()
		return
	}
	if x.rng.IntN(5) == 0 {
		x.sync() // within the transaction
	}
	check(t, x.l.Append(ctx, end-1, commit(end)))
	x.appended = append(x.appended, end)
	switch x.rng.IntN(6) {
	case 0, 1:
		x.sync()
	case 2:
		x.l.Mark(end + 20)
	case 3:
		lsn := x.durable - wal.LSN(x.rng.IntN(500))
		x.trimmed = max(x.trimmed, min(lsn, x.durable))
		check(t, x.l.TrimBefore(x.trimmed))
	}
}

func (x *life) sync() {
	lsn, err := x.l.Sync()
	check(x.t, err)
	if lsn < x.durable {
		x.t.Fatalf("durable went back from %s to %s", x.durable, lsn)
	}
	x.durable = lsn
}

// revive opens what the crash left and holds it against what had been promised.
func (x *life) revive() {
	t := x.t
	for x.crashed != nil {
		x.fs, x.o.FS, x.crashed = x.crashed, x.crashed, nil
		x.fuse = x.rng.IntN(3) // 1 is a crash within the recovery
		x.durable, x.trimmed = x.promised, x.forgotten
		x.l = open(t, x.o)
		if x.crashed != nil {
			check(t, x.l.Close())
		}
	}
	got := x.l.Durable()
	if got < x.promised {
		t.Fatalf("promised %s, after the crash %s is durable", x.promised, got)
	}
	x.durable, x.trimmed = got, x.forgotten
	x.appended = slices.DeleteFunc(x.appended, func(l wal.LSN) bool { return l > got })
	from := max(x.trimmed, 100)
	i, _ := slices.BinarySearch(x.appended, from+1)
	if c := readAll(t, x.l, from); !slices.Equal(c.ended, x.appended[i:]) {
		t.Fatalf("after %s: %v, want %v", from, c.ended, x.appended[i:])
	}
}

// TestCrash: after Sync returned an LSN no crash loses anything up to it, and what comes back is
// always a beginning of what was appended.
func TestCrash(t *testing.T) { everyForm(t, crash) }

func crash(t *testing.T, options form) {
	seed := seeded(t).Uint64()
	for i := range 30 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			t.Logf("seed %d", seed)
			x := &life{t: t, rng: rng, fs: newFS(t), durable: 100}
			x.o = options(x.fs)
			x.o.SegmentBytes, x.o.FrameBytes = 20<<10, 4<<10
			x.o.Hook = x.hook
			x.o.Compress = i%2 == 0
			x.l = open(t, x.o)
			end := wal.LSN(200)
			for range 12 {
				x.fuse = 1 + rng.IntN(60)
				for steps := 0; x.crashed == nil && steps < 200; steps++ {
					x.step(end)
					end += 100
				}
				if x.crashed == nil {
					x.crash()
				}
				check(t, x.l.Close())
				x.revive()
			}
			check(t, x.l.Close())
		})
	}
}
