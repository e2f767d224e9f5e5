package stream

import (
	"context"
	"fmt"
	"time"

	"replicator/wal"
)

// farewell is how long the server may take to let go of the slot.
const farewell = 2 * time.Second

// Whole messages.
var (
	copyDone  = []byte{'c', 0, 0, 0, 4}
	terminate = []byte{'X', 0, 0, 0, 4}
)

// finish ends the connection when ctx has: sync what is there, confirm it, let go of the slot. The
// reporter has ended. Only the log's error counts, for the next connection can do the rest.
func (s *session) finish(ctx context.Context) error {
	durable, err := s.cfg.Log.Sync()
	if err != nil {
		return fmt.Errorf("sync change log: %w", err)
	}
	s.durable.Store(uint64(durable))
	s.tell()
	if err := s.letGo(); err != nil {
		s.cfg.Logger.Debug("end of stream", "error", err)
	}
	return context.Cause(ctx)
}

// letGo waits for the server's last word, so that our own is read: a connection that is closed with
// bytes unread takes back what was sent last.
func (s *session) letGo() error {
	if err := s.status(false); err != nil {
		return err
	}
	if err := s.write(copyDone); err != nil {
		return err
	}
	until := time.Now().Add(farewell)
	for {
		kind, body, err := s.in.next(func() error { return s.conn.SetReadDeadline(until) })
		if err != nil {
			return err
		}
		switch kind {
		case 'Z':
			return s.write(terminate)
		case 'E':
			return serverError(body)
		}
		if time.Now().After(until) {
			return fmt.Errorf("the server went on past %s", wal.LSN(s.durable.Load()))
		}
	}
}
