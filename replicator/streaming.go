package replicator

import (
	"errors"

	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/changelog"
)

// streaming decides whether a connection has the source stream transactions before they commit. That
// spares the source, and costs room here for as long as they run. Two things send us back to whole
// transactions, which the source then keeps until they commit:
//
//   - There is no room here for what has not committed.
//   - The source fails with an internal error. PostgreSQL 14 to 18 cannot decode a transaction that is
//     streamed if it changes a table (ALTER, DROP, TRUNCATE), rolls that back to a savepoint, writes to
//     the table and then changes it again: "could not map filenode to relation OID", at every attempt.
//     At the commit it can.
//
// The next connection after the log has grown may stream again.
type streaming struct {
	*job
	refused bool
	at      wal.LSN // the log's end when it was
}

func (s *streaming) on() bool {
	if s.refused && s.changes.Durable() > s.at {
		s.refused = false
	}
	return !s.refused && s.o.Streaming != "off"
}

// ended takes the end of a connection.
func (s *streaming) ended(err error) {
	if !errors.Is(err, changelog.ErrFull) && pg.State(err) != "XX000" {
		return
	}
	if !s.refused && s.o.Streaming != "off" {
		s.log.Warn("large transactions cannot be streamed for now: the source keeps them until they commit", "error", err)
	}
	s.refused, s.at = true, s.changes.Durable()
}

// recallStreaming keeps what --streaming says for the runs that do not.
func (j *job) recallStreaming() error {
	if j.o.Streaming != "" {
		return j.store.Put(keyStreaming, j.o.Streaming)
	}
	_, err := j.store.Get(keyStreaming, &j.o.Streaming)
	return err
}
