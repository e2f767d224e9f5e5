package slot

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"replicator/replicator/pg"
)

// How long AwaitRunning lets pass between two looks.
const (
	firstLook = 20 * time.Millisecond
	mostLook  = time.Second
)

// AwaitRunning returns when every transaction has ended that had an id when it was called, or an id
// below xmaxAtSlot, the xmax of a snapshot taken when the slot was there. Before that no chunk may
// be read: a transaction can have its commit record below the slot's consistent point and still be
// invisible to a snapshot, and then nobody would bring its rows.
//
// xmaxAtSlot alone does not find all of those. A snapshot's xmax is one more than the newest id that
// has ended, and a running transaction with a newer id does not count in it. So AwaitRunning takes
// an id of its own, which is above every other.
//
// While it waits show gets the transactions waited for, at each look.
func AwaitRunning(ctx context.Context, conn *pg.Conn, xmaxAtSlot uint64, show func([]Blocker)) error {
	own, err := number(ctx, conn, "SELECT pg_catalog.pg_current_xact_id()")
	if err != nil {
		return fmt.Errorf("take a transaction id: %w", err)
	}
	bound := max(xmaxAtSlot, own+1)
	for pause := firstLook; ; pause = min(2*pause, mostLook) {
		xmin, err := number(ctx, conn, "SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())")
		if err != nil {
			return fmt.Errorf("look for running transactions: %w", err)
		}
		if xmin >= bound {
			return nil
		}
		if err := tell(ctx, conn, bound, show); err != nil {
			return err
		}
		if err := pg.Pause(ctx, pause); err != nil {
			return err
		}
	}
}

func tell(ctx context.Context, conn *pg.Conn, bound uint64, show func([]Blocker)) error {
	if show == nil {
		return nil
	}
	blockers, err := Blockers(ctx, conn, bound)
	if err == nil && len(blockers) > 0 {
		show(blockers)
	}
	return err
}

func number(ctx context.Context, conn *pg.Conn, sql string) (uint64, error) {
	v, err := conn.Value(ctx, sql)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(v, 10, 64)
}
