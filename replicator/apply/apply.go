package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"replicator/wal"
	"replicator/wal/changelog"
	"replicator/wal/pgoutput"
)

// linger is how long a window that could be committed waits for the next frame: the reader needs
// that long to open one, and nobody notices it beside the commit.
const linger = 2 * time.Millisecond

// applier is one Run.
type applier struct {
	cfg       Config
	in        *intake
	session   *session
	relations *relations
	report    *reporter

	win      window
	msg      pgoutput.Message
	tx       transaction // the one being read
	begun    bool        // a transaction was met
	inside   bool        // between Begin and Commit
	pending  []string    // markers of the transaction being read
	big      bool        // its pieces stand uncommitted in the target's transaction
	bigCount tally       // of those pieces

	position wal.LSN   // the target's, as last committed or read
	stored   time.Time // when it was last committed
	since    int64     // transactions with row changes since the last marker
	found    bool      // Config.Until was met

	passed map[uint32]bool // by relation id: whether the running transaction's changes are passed over

	carrying carrying // of the transaction being read

	fold folder
	exec executor
	miss map[int]int64 // of the transaction under way on the target
}

// Run applies what src gives until the marker cfg.Until is committed, src ends, ctx ends or
// something fails. Deadlocks and lost connections are retried here, for as long as it takes;
// what cannot be retried from memory (a transaction larger than a window) is a [RestartError].
// The result is true whatever the error.
func Run(ctx context.Context, cfg Config, src Source) (Result, error) {
	if err := cfg.validate(); err != nil {
		return Result{}, err
	}
	a := &applier{cfg: cfg, in: newIntake(), relations: newRelations(cfg.Tables), miss: map[int]int64{}, passed: map[uint32]bool{}}
	a.report = newReporter(a.warnMissed)
	a.fold.init(&a.win)
	if err := a.connect(ctx); err != nil {
		return a.report.now, err
	}
	defer func() { a.session.close() }()
	if err := a.recall(ctx); err != nil {
		return a.report.now, err
	}
	if a.stopped(a.position) {
		a.report.now.Applied = a.position
		return a.report.now, nil
	}

	reading, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); a.in.run(reading, src) }()
	err := a.follow(ctx)
	stop()
	<-ended
	return a.report.now, err
}

// follow is the loop: frames while there are any, a commit when there are none.
func (a *applier) follow(ctx context.Context) error {
	for !a.found {
		raw, err := a.in.next(ctx, a.patience())
		switch {
		case errors.Is(err, errQuiet):
			err = a.flush(ctx)
		case errors.Is(err, io.EOF):
			if a.big {
				return nil // it goes with the session
			}
			if err = a.flush(ctx); err == nil {
				return nil
			}
		case err == nil:
			err = a.frame(ctx, raw)
		}
		if err != nil && !errors.Is(err, errFound) {
			return err
		}
	}
	return nil
}

// patience is how long the next frame is waited for before what there is gets committed: zero,
// for as long as it takes, when there is nothing.
func (a *applier) patience() time.Duration {
	switch {
	case a.big:
		return 0 // only the transaction's own end commits it
	case a.win.done.changes > 0 || len(a.win.markers) > 0:
		return linger
	case a.win.end > a.position: // only the position would move
		return max(linger, markEvery-time.Since(a.stored))
	}
	return 0
}

// errFound ends the reading of a frame whose rest is not wanted.
var errFound = errors.New("marker found")

func (a *applier) frame(ctx context.Context, raw []byte) error {
	a.win.hold(raw)
	err := changelog.Records(raw, func(lsn wal.LSN, kind changelog.RecordKind, msg []byte) error {
		return a.record(ctx, lsn, kind, msg)
	})
	if err != nil {
		return err
	}
	switch {
	case a.win.idle():
		a.win.releaseFrames(len(a.win.frames)-1, a.in.release)
	case !a.win.full(a.cfg.Limits):
	case a.inside && !a.tx.skip:
		return a.overflow(ctx) // few changes, but many frames that they hold
	default:
		return a.flush(ctx)
	}
	return nil
}

// record takes one record of the log.
func (a *applier) record(ctx context.Context, lsn wal.LSN, kind changelog.RecordKind, msg []byte) error {
	switch kind {
	case changelog.Mark:
		return a.mark(ctx, lsn)
	case changelog.Restart:
		return a.restart(ctx)
	case changelog.Message:
		if err := pgoutput.Decode(msg, &a.msg); err != nil {
			return fmt.Errorf("change log at %s: %w", lsn, err)
		}
		return a.message(ctx, lsn, int64(len(msg)))
	}
	return fmt.Errorf("change log at %s: record of unknown kind %d", lsn, kind)
}

// restart forgets the transaction that the stream broke off in; it will come again from its Begin.
func (a *applier) restart(ctx context.Context) error {
	if a.inside && !a.tx.skip {
		a.win.drop()
	}
	a.inside, a.pending = false, a.pending[:0]
	a.uncarry()
	if !a.big {
		return nil
	}
	a.big = false
	if err := a.session.rollback(ctx); err != nil {
		return a.pieceError(ctx, err)
	}
	return nil
}

func (a *applier) warnMissed(table int, missed int64) {
	name := ""
	for i := range a.cfg.Tables {
		if a.cfg.Tables[i].Ordinal == table {
			name = a.cfg.Tables[i].String()
		}
	}
	a.cfg.Logger.Warn("changes found no row", "table", name, "missed", missed, "lsn", a.position)
}
