package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/replicator/pg"
)

// decoding is what the source can give at most, to whoever only counts.
func decoding(inBinary bool) subject {
	slot := fmt.Sprintf("decode_%t", inBinary)
	return subject{
		name: "decode only, " + format(inBinary), role: measure.Reference, how: "START_REPLICATION, protocol version 1, and nothing is done with what comes",
		prepare: func(ctx context.Context, w *world, run int) error {
			if run > 0 {
				return nil // nothing is confirmed: all runs read from one slot
			}
			return w.slot(ctx, slot)
		},
		drain: func(ctx context.Context, w *world, b *backlog, _ int) (measure.Values, error) {
			meter := peer.Meter{Tool: &peer.Tool{}, Servers: []*peer.Server{w.Source, w.Target}}
			return meter.Clock(ctx, func(ctx context.Context) error {
				n, err := w.decode(ctx, slot, b.end, inBinary)
				if err == nil && n != b.changes {
					err = fmt.Errorf("%d changes came, and not %d", n, b.changes)
				}
				return err
			})
		},
	}
}

// decode reads what a slot has, without confirming anything, up to a commit beyond end, and counts
// the rows that changed.
func (w *world) decode(ctx context.Context, slot string, end int64, inBinary bool) (changes int64, err error) {
	c, err := pg.Connect(ctx, pg.Config{DSN: w.sourceDSN(), Name: peer.SessionName, Replication: true})
	if err != nil {
		return 0, err
	}
	raw, err := c.Raw().Hijack()
	if err != nil {
		return 0, errors.Join(err, c.Close())
	}
	defer raw.Conn.Close()
	defer context.AfterFunc(ctx, func() { _ = raw.Conn.SetDeadline(time.Unix(1, 0)) })()
	raw.Frontend.SendQuery(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL 0/0 (proto_version '1', publication_names '%s', binary '%t')",
		slot, peer.Subscription, inBinary)})
	if err := raw.Frontend.Flush(); err != nil {
		return 0, err
	}
	for {
		msg, err := raw.Frontend.Receive()
		if err != nil {
			return changes, errors.Join(ctx.Err(), err)
		}
		switch m := msg.(type) {
		case *pgproto3.ErrorResponse:
			return changes, fmt.Errorf("walsender: SQLSTATE %s", m.Code)
		case *pgproto3.CopyData:
			if last := count(m.Data, end, &changes); last {
				return changes, nil
			}
		}
	}
}

// Of an XLogData message: a byte, three numbers of 8 bytes, then pgoutput's message, of which Commit
// has a byte of flags and two LSNs, the second being the end.
const (
	dataHeader = 1 + 3*8
	commitEnd  = 1 + 1 + 8
)

// count looks at one message of the stream; it is true for a commit that ends beyond end.
func count(msg []byte, end int64, changes *int64) bool {
	if len(msg) <= dataHeader || msg[0] != 'w' {
		return false
	}
	switch body := msg[dataHeader:]; body[0] {
	case 'I', 'U', 'D':
		*changes++
	case 'C':
		return len(body) >= commitEnd+8 && binary.BigEndian.Uint64(body[commitEnd:]) > uint64(end)
	}
	return false
}
