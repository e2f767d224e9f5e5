package stream

import (
	"context"

	"replicator/wal"
	"replicator/wal/pgoutput"
)

// stream takes a control message of a streamed transaction. Blocks stand where a transaction may
// begin: never within another.
func (r *receiver) stream(ctx context.Context, msg []byte) error {
	if err := pgoutput.Decode(msg, &r.msg); err != nil {
		return err
	}
	s := r.msg.Stream
	switch {
	case r.open:
		return unexpected("kind %q of a streamed transaction within the transaction at %s", r.msg.Kind, r.begin.FinalLSN)
	case r.msg.Kind == 'E' && r.block == 0:
		return unexpected("end of a block that did not begin, after %s", r.position)
	case r.msg.Kind == 'S' && (s.XID == 0 || s.First == r.spool.Has(s.XID)):
		return unexpected("block of the streamed transaction %d, its first: %v, after %s", s.XID, s.First, r.position)
	case r.msg.Kind == 'c' && !r.spool.Has(s.XID):
		return unexpected("commit at %s of a streamed transaction that never came", r.msg.Commit.CommitLSN)
	}
	switch r.msg.Kind {
	case 'S':
		if r.block = s.XID; s.First {
			r.spool.Begin(s.XID)
		}
	case 'E':
		r.block = 0
		err := r.spool.Flush(ctx)
		r.hook(BlockSpooled)
		return err
	case 'A':
		return r.spool.Abort(s.XID, s.SubXID)
	case 'c':
		return r.streamCommit(ctx, s.XID, r.msg.Commit)
	}
	return nil
}

// streamed keeps a message within a block. One that stands outside of all transactions cannot come
// there.
func (r *receiver) streamed(ctx context.Context, msg []byte) error {
	xid, msg, err := pgoutput.Unstream(msg)
	if err != nil {
		return err
	}
	if xid == 0 {
		xid = r.block
	}
	if msg, err = r.spelled(ctx, msg); err != nil {
		return err
	}
	return r.spool.Append(ctx, r.block, xid, r.at, msg)
}

// streamCommit passes on a streamed transaction as if it came now and whole.
func (r *receiver) streamCommit(ctx context.Context, xid uint32, c pgoutput.Commit) error {
	end := r.at
	if err := r.beginning(ctx, pgoutput.AppendBegin(nil, pgoutput.Begin{FinalLSN: c.CommitLSN, Time: c.Time, XID: xid})); err != nil {
		return err
	}
	var err error
	if r.dropping {
		err = r.spool.Abort(xid, xid)
	} else {
		err = r.spool.Replay(xid, func(lsn wal.LSN, msg []byte) error { return r.replay(ctx, lsn, msg) })
	}
	if err != nil {
		return err
	}
	r.hook(Replayed)
	r.at = end
	return r.commit(ctx, pgoutput.AppendCommit(nil, c))
}

func (r *receiver) replay(ctx context.Context, lsn wal.LSN, msg []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.log.Append(ctx, lsn, msg); err != nil {
		return err
	}
	return r.replayed(msg)
}
