package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"replicator/replicator/pg"
	"replicator/wal"
)

// session is one connection.
type session struct {
	cfg  Config
	conn net.Conn
	in   *reader
	rx   receiver

	every time.Duration // between status updates

	// The receiver's, for its group commit.
	unsynced int64     // bytes received since the last sync
	waiting  time.Time // since when a commit waits for its sync; zero: none does
	marked   time.Time
	told     time.Time // Progress
	server   wal.LSN   // how far the server has read

	// Shared with the reporter.
	received  atomic.Uint64
	durable   atomic.Uint64
	confirmed atomic.Uint64 // never goes back
	handled   atomic.Int64  // messages
	asked     atomic.Uint64 // walEnd of the last keepalive that wanted a reply
	kick      chan struct{}
}

// Run streams until ctx ends, and then returns its cause, or until the connection or the log fails.
// What is durable in the log by then stays, and the next Run goes on behind it.
//
// The slot is checked on the connection before anything is read (invariant I10): a lost position is
// a fault.PositionLost. An error that [pg.Lost] recognises means that the source or the way there
// went away; one that [Busy] recognises that somebody else, perhaps our own predecessor, still has
// the slot. All errors are free of values.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	cfg.defaults()
	// What an earlier connection has received is synced first: more is asked for from there on.
	cfg.Log.Restart()
	durable, err := cfg.Log.Sync()
	if err != nil {
		return fmt.Errorf("sync change log: %w", err)
	}
	if err := cfg.Spool.Reset(); err != nil {
		return fmt.Errorf("empty spool: %w", err)
	}
	s, err := open(ctx, cfg, durable)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		return err
	}
	defer s.conn.Close()
	err = s.run(ctx)
	// It will come again. Until it does, which may be hours, it takes no room.
	if e := cfg.Spool.Reset(); e != nil {
		return errors.Join(err, fmt.Errorf("empty spool: %w", e))
	}
	return err
}

// Busy reports whether the slot is in use by another session.
func Busy(err error) bool { return pg.State(err) == "55006" }

// past is a deadline that ends a read at once.
var past = time.Unix(1, 0)

func (s *session) run(ctx context.Context) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(inner, func() { _ = s.conn.SetReadDeadline(past) })
	defer stop()
	if err := s.start(inner); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	ended := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		if err := s.report(inner, ended); err != nil {
			cancel(err)
		}
	})
	err := s.receive(inner)
	close(ended)
	reporter.Wait()
	switch {
	case ctx.Err() != nil:
		return s.finish(ctx)
	case inner.Err() != nil:
		return context.Cause(inner)
	}
	return err
}

// receive reads until something fails or ctx ends.
func (s *session) receive(ctx context.Context) error {
	arm := func() error {
		if err := s.conn.SetReadDeadline(s.until()); err != nil {
			return err
		}
		return ctx.Err() // looked at last: whoever ended ctx before has had its deadline replaced
	}
	for {
		kind, body, err := s.in.next(arm)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			if s.in.few.passed() || s.waiting.IsZero() {
				continue
			}
			err = s.sync()
		case err != nil:
			err = fmt.Errorf("read from the source: %w", err)
		default:
			err = s.message(ctx, kind, body)
		}
		if err != nil {
			return err
		}
		s.handled.Add(1)
	}
}

// quiet is how long nothing may come before waiting commits are synced.
const quiet = time.Millisecond

// until is how long to wait for more.
func (s *session) until() time.Time {
	wait := quiet
	if s.in.few.on {
		wait = gatherFor
	} else if s.waiting.IsZero() {
		return time.Time{}
	}
	until := time.Now().Add(wait)
	if most := s.waiting.Add(s.cfg.Group); !s.waiting.IsZero() && most.Before(until) {
		return most
	}
	return until
}

// replayed counts a message that went from the spool to the log, and syncs by bytes as for one that is
// received.
func (s *session) replayed(msg []byte) error {
	s.handled.Add(1)
	if s.unsynced += int64(len(msg)); s.unsynced >= s.cfg.SyncBytes {
		return s.sync()
	}
	return nil
}

// sync makes durable what was received. An error of the log ends the connection: only the log knows
// whether it goes away.
func (s *session) sync() error {
	s.cfg.Hook(BeforeSync)
	durable, err := s.cfg.Log.Sync()
	if err != nil {
		return fmt.Errorf("sync change log: %w", err)
	}
	if durable > s.rx.position {
		return fmt.Errorf("change log is durable up to %s, but only %s was received", durable, s.rx.position)
	}
	s.durable.Store(uint64(durable))
	s.unsynced, s.waiting = 0, time.Time{}
	s.cfg.Hook(AfterSync)
	s.tell()
	return nil
}

func (s *session) tell() {
	s.told = time.Now()
	s.cfg.Progress(Progress{
		Received: s.rx.position, Durable: wal.LSN(s.durable.Load()), Confirmed: wal.LSN(s.confirmed.Load()), ServerEnd: s.server,
		Bytes: s.rx.bytes, Transactions: s.rx.transactions, LastCommit: s.rx.lastCommit,
	})
}
