package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"replicator/replicator/pg"
	"replicator/wal"
)

// An idle position is marked when the last mark is older than markEvery or markBytes of WAL were
// read since: each costs an fsync and, later, a commit on the target.
const (
	markEvery = 2 * time.Second
	markBytes = 16 << 20
)

// tellEvery is how often Progress is told without a sync.
const tellEvery = time.Second

// message takes one protocol message.
func (s *session) message(ctx context.Context, kind byte, body []byte) error {
	switch kind {
	case 'd':
		return s.copyData(ctx, body)
	case 'E':
		return serverError(body)
	case 'N', 'S': // notice, parameter
		return nil
	case 'c', 'C', 'Z':
		return fmt.Errorf("the source ended the stream: %w", pg.ErrClosed)
	}
	return unexpected("protocol message %q", kind)
}

// serverError is an ErrorResponse without its text.
func serverError(body []byte) error {
	var e pgproto3.ErrorResponse
	if err := e.Decode(body); err != nil {
		return unexpected("error that cannot be read")
	}
	return fmt.Errorf("the source ended the stream: %w", pg.Clean(pgconn.ErrorResponseToPgError(&e)))
}

// What CopyData carries.
//
//	XLogData   'w'  start LSN 8, end of WAL 8, clock 8, message
//	keepalive  'k'  end of WAL 8, clock 8, reply requested 1
const (
	xlogHeader    = 1 + 8 + 8 + 8
	keepaliveSize = 1 + 8 + 8 + 1
)

func (s *session) copyData(ctx context.Context, b []byte) error {
	switch {
	case len(b) > xlogHeader && b[0] == 'w':
		return s.xlogData(ctx, wal.LSN(binary.BigEndian.Uint64(b[1:])), b[xlogHeader:])
	case len(b) == keepaliveSize && b[0] == 'k':
		return s.keepalive(wal.LSN(binary.BigEndian.Uint64(b[1:])), b[17] != 0)
	}
	return unexpected("copy data of %d bytes", len(b))
}

func (s *session) xlogData(ctx context.Context, lsn wal.LSN, msg []byte) error {
	before := s.rx.transactions
	if err := s.rx.message(ctx, lsn, msg); err != nil {
		return err
	}
	s.server = max(s.server, s.rx.at)
	s.unsynced += int64(len(msg))
	if s.rx.transactions > before {
		s.received.Store(uint64(s.rx.position))
		if now := time.Now(); s.waiting.IsZero() {
			s.waiting = now
		} else if now.Sub(s.waiting) >= s.cfg.Group {
			return s.sync()
		}
	}
	if s.unsynced >= s.cfg.SyncBytes {
		return s.sync()
	}
	return nil
}

// keepalive takes the server's word that it has read up to end. Between transactions everything that
// commits below end has been received, so the log may note it; the slot hears of it only once that
// is synced (I4).
func (s *session) keepalive(end wal.LSN, reply bool) error {
	s.server = max(s.server, end)
	mark := !s.rx.open && s.rx.block == 0 && end > s.rx.position &&
		(reply || time.Since(s.marked) >= markEvery || end-s.rx.position >= markBytes)
	if mark {
		s.rx.mark(end)
		s.marked = time.Now()
	}
	if mark || reply && !s.waiting.IsZero() {
		if err := s.sync(); err != nil {
			return err
		}
		s.received.Store(uint64(s.rx.position))
	}
	return s.answer(end, reply)
}

// answer has the reporter send a status update if the server wants one.
func (s *session) answer(end wal.LSN, reply bool) error {
	if reply {
		s.asked.Store(uint64(end))
		select {
		case s.kick <- struct{}{}:
		default: // the reporter is about to answer
		}
	}
	if time.Since(s.told) >= tellEvery {
		s.tell()
	}
	return nil
}
