package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"replicator/wal"
	"replicator/wal/pgoutput"
)

// ErrProtocol says that the server sent what it must not at that place. It does not go away by
// itself.
var ErrProtocol = errors.New("unexpected message from the server")

func unexpected(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// receiver follows the transactions in the stream and appends them to the log.
type receiver struct {
	log   Log
	spool Spool
	msg   pgoutput.Message // scratch

	// start is what the log had when the connection began. The server may send older
	// transactions again, for a slot steps back when its server crashes: they are dropped.
	start    wal.LSN
	position wal.LSN // end of the last commit received, or the last mark
	at       wal.LSN // of the last message that had an LSN

	open, dropping bool
	begin          pgoutput.Begin // of the transaction that is open

	block    uint32                     // the streamed transaction whose block is open, 0: none is
	replayed func(message []byte) error // called for each that goes from the spool to the log
	spell    func(ctx context.Context, msg []byte) ([]byte, error)
	hook     func(point string)

	bytes, transactions int64
	lastCommit          time.Time
}

// message takes one pgoutput message.
func (r *receiver) message(ctx context.Context, lsn wal.LSN, msg []byte) error {
	if lsn != 0 { // only the last message that is made from a WAL record carries its LSN
		r.at = lsn
	}
	r.bytes += int64(len(msg))
	kind := pgoutput.Kind(msg)
	if r.block != 0 && kind != 'E' {
		return r.streamed(ctx, msg)
	}
	switch kind {
	case 'B':
		return r.beginning(ctx, msg)
	case 'C':
		return r.commit(ctx, msg)
	case 'M':
		if len(msg) > 1 && msg[1]&1 == 0 {
			return nil // outside of transactions, which are all that is followed
		}
	case 'I', 'U', 'D', 'T', 'R', 'Y', 'O':
	case 'S', 'E', 'c', 'A':
		return r.stream(ctx, msg)
	default:
		return unexpected("kind %q after %s", kind, r.position)
	}
	if !r.open {
		return unexpected("kind %q outside of a transaction, after %s", kind, r.position)
	}
	return r.append(ctx, msg)
}

func (r *receiver) append(ctx context.Context, msg []byte) error {
	msg, err := r.spelled(ctx, msg) // what is dropped may describe a table
	if err != nil || r.dropping {
		return err
	}
	return r.log.Append(ctx, r.at, msg)
}

// spelled is a message as it is kept.
func (r *receiver) spelled(ctx context.Context, msg []byte) ([]byte, error) {
	switch pgoutput.Kind(msg) {
	case 'R', 'I', 'U', 'D':
		return r.spell(ctx, msg)
	}
	return msg, nil
}

// beginning decides by the place of the commit record whether the log has the transaction: positions
// stand between records, so a record that begins below one ends at or below it.
func (r *receiver) beginning(ctx context.Context, msg []byte) error {
	if err := pgoutput.Decode(msg, &r.msg); err != nil {
		return err
	}
	b := r.msg.Begin
	switch {
	case r.open:
		return unexpected("transaction at %s begins inside another at %s", b.FinalLSN, r.begin.FinalLSN)
	case b.FinalLSN >= r.start && b.FinalLSN < r.position:
		return unexpected("transaction at %s after %s was reached", b.FinalLSN, r.position)
	}
	r.open, r.begin, r.dropping = true, b, b.FinalLSN < r.start
	return r.append(ctx, msg)
}

func (r *receiver) commit(ctx context.Context, msg []byte) error {
	if err := pgoutput.Decode(msg, &r.msg); err != nil {
		return err
	}
	c := r.msg.Commit
	switch {
	case !r.open:
		return unexpected("commit at %s without its begin", c.CommitLSN)
	case c.CommitLSN != r.begin.FinalLSN || c.EndLSN <= c.CommitLSN:
		return unexpected("commit from %s to %s of a transaction at %s", c.CommitLSN, c.EndLSN, r.begin.FinalLSN)
	case r.dropping && c.EndLSN > r.start:
		return unexpected("our position %s lies inside the commit record from %s to %s", r.start, c.CommitLSN, c.EndLSN)
	}
	if err := r.append(ctx, msg); err != nil {
		return err
	}
	r.open = false
	if !r.dropping {
		r.position = c.EndLSN
		r.transactions++
		r.lastCommit = c.Time
	}
	return nil
}

// mark notes that the server has nothing for us below lsn.
func (r *receiver) mark(lsn wal.LSN) {
	r.log.Mark(lsn)
	r.position = lsn
}
