package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"replicator/replicator/pg"
	"replicator/wal"
)

// writeTimeout bounds one status update. It is 39 bytes: a server that does not take them is gone.
const writeTimeout = 10 * time.Second

// knockEvery is the least time between two knocks.
const knockEvery = time.Second

// report sends status updates, at least every s.every, until the receiver has ended. It fails when
// the connection is lost, or the server turns out to be going down.
func (s *session) report(ctx context.Context, ended <-chan struct{}) error {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	var knocked time.Time
	var handled int64
	for {
		var inDoubt bool
		select {
		case <-ended:
			return nil
		case <-s.kick:
			if err := s.status(false); err != nil {
				return err
			}
			// The server wants more than we may confirm. Perhaps it waits for that to go down.
			inDoubt = s.confirmed.Load() < s.asked.Load()
		case <-tick.C:
			if err := s.regular(); err != nil {
				return err
			}
			now := s.handled.Load()
			inDoubt = now == handled && !s.in.reading.Load() // the receiver is held up in the log
			handled = now
		}
		if inDoubt && time.Since(knocked) >= knockEvery {
			if err := s.knock(ctx); err != nil {
				return err
			}
			knocked = time.Now()
		}
	}
}

// regular is the status update of every tick. A silent server is asked for a sign of life, which
// must come within Silence while the receiver listens.
func (s *session) regular() error {
	silent := time.Since(time.Unix(0, s.in.last.Load()))
	if silent >= s.cfg.Silence && s.in.reading.Load() {
		return fmt.Errorf("nothing from the source for %s: %w", silent.Round(time.Second), pg.ErrClosed)
	}
	return s.status(silent >= s.every)
}

// status tells the slot what is durable, or less if Confirm says so.
func (s *session) status(ask bool) error {
	durable := wal.LSN(s.durable.Load())
	confirm := s.cfg.Confirm(durable)
	if confirm > durable {
		return fmt.Errorf("asked to confirm %s while only %s is durable", confirm, durable)
	}
	flush := max(uint64(confirm), s.confirmed.Load()) // an older server would take the slot back
	s.confirmed.Store(flush)
	if err := s.write(statusUpdate(max(s.received.Load(), flush), flush, time.Now(), ask)); err != nil {
		return fmt.Errorf("send status to the source: %w", err)
	}
	s.cfg.Hook(StatusSent)
	return nil
}

// pgEpoch is 2000-01-01 in microseconds since 1970.
const pgEpoch = 946_684_800_000_000

// statusUpdate is a whole CopyData message: written, flushed and applied LSN, clock, reply wanted.
func statusUpdate(written, flushed uint64, now time.Time, ask bool) []byte {
	b := []byte{'d', 0, 0, 0, 4 + 34, 'r'}
	for _, v := range []uint64{written, flushed, flushed, uint64(now.UnixMicro() - pgEpoch)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	if ask {
		return append(b, 1)
	}
	return append(b, 0)
}

// write sends one or several whole messages at once.
func (s *session) write(b []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}

// knock finds out whether the server is going down: then it takes no new session, and waits for
// ours to confirm what we cannot. Every other outcome means nothing here.
func (s *session) knock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.every)
	defer cancel()
	conn, err := s.cfg.Connect(ctx)
	switch {
	case err == nil:
		conn.Close()
	case pg.State(err) == "57P03":
		return fmt.Errorf("the source is going down: %w", err)
	}
	return nil
}
