package stream

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"replicator/wal"
)

// naive is a spool that keeps everything in memory and finds it by looking.
type naive struct{ txs map[uint32][]spooledMessage }

type spooledMessage struct {
	xid uint32
	lsn wal.LSN
	msg []byte
}

// NewNaive is for the tests outside of the package.
func NewNaive() Spool { return &naive{} }

func (n *naive) Begin(top uint32) {
	if n.txs == nil {
		n.txs = map[uint32][]spooledMessage{}
	}
	n.txs[top] = []spooledMessage{}
}

func (n *naive) Has(top uint32) bool { return n.txs[top] != nil }

func (n *naive) Append(_ context.Context, top, xid uint32, lsn wal.LSN, msg []byte) error {
	if !n.Has(top) {
		return errors.New("append to what did not begin")
	}
	n.txs[top] = append(n.txs[top], spooledMessage{xid, lsn, bytes.Clone(msg)})
	return nil
}

func (n *naive) Flush(context.Context) error { return nil }

// Abort cuts where the subtransaction began, as PostgreSQL's own apply worker does.
func (n *naive) Abort(top, xid uint32) error {
	if top == xid {
		delete(n.txs, top)
		return nil
	}
	if i := slices.IndexFunc(n.txs[top], func(m spooledMessage) bool { return m.xid == xid }); i >= 0 {
		n.txs[top] = n.txs[top][:i]
	}
	return nil
}

func (n *naive) Replay(top uint32, each func(wal.LSN, []byte) error) error {
	for _, m := range n.txs[top] {
		if err := each(m.lsn, m.msg); err != nil {
			return err
		}
	}
	delete(n.txs, top)
	return nil
}

func (n *naive) Reset() error {
	clear(n.txs)
	return nil
}
