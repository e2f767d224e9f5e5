package target

import (
	"context"
	"fmt"
	"strconv"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// Forget implements End. The position goes back to zero, so that no change of the new stream is taken
// for one that was applied: after a failover LSNs may come again. A database that another job has opened
// is refused: people write there, and nothing of theirs is taken away.
func (l *Local) Forget(ctx context.Context) error {
	return l.transaction(ctx, l.plain, func(c *pg.Conn) error {
		open, err := c.Query(ctx, "SELECT job FROM replicator.job WHERE phase = $1 LIMIT 1", string(status.Open))
		if err != nil {
			return err
		}
		if len(open) > 0 {
			return fault.New(fault.Preflight, fmt.Errorf("job %s has opened the target database: it is no copy any more", open[0][0]), "look at --target; people may write there")
		}
		job := pg.Literal(l.cfg.Job)
		return c.Exec(ctx, fmt.Sprintf(`DELETE FROM replicator.receipt WHERE job = %[1]s;
			DELETE FROM replicator.step WHERE job = %[1]s;
			UPDATE replicator.ddl SET tbl = -1 WHERE job = %[1]s;
			UPDATE replicator.position SET lsn = '0/0' WHERE job = %[1]s;
			UPDATE replicator.job SET phase = %[2]s WHERE job = %[1]s`, job, pg.Literal(string(status.Preparing))))
	})
}

// Standing implements End.
func (l *Local) Standing(ctx context.Context, tables []chunker.Table) (defs []schema.Definition, err error) {
	// Names are spelled as on the source's end: the search path of those that read, not of those that work.
	err = l.lookups.use(ctx, func(c *pg.Conn) error {
		defs, err = schema.Standing(ctx, c, tables)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("on the target: %w", err)
	}
	return defs, nil
}

// Adopt implements End.
func (l *Local) Adopt(ctx context.Context, t *chunker.Table, receipts []chunker.Receipt, clear []chunker.Chunk) error {
	err := l.transaction(ctx, l.writers, func(c *pg.Conn) error {
		for i := range clear {
			if err := c.Exec(ctx, fmt.Sprintf("DELETE FROM ONLY %s WHERE %s", t.Qualified(), clear[i].Where(t))); err != nil {
				return err
			}
		}
		if _, err := c.Query(ctx, "DELETE FROM replicator.receipt WHERE job = $1 AND tbl = $2::int", l.cfg.Job, strconv.Itoa(t.Ordinal)); err != nil {
			return err
		}
		for i := range receipts {
			if err := l.writeReceipt(ctx, c, &receipts[i]); err != nil {
				return err
			}
		}
		l.cfg.Hook("target: adopt before commit")
		return nil
	})
	if err != nil {
		return fmt.Errorf("count what stands of %s: %w", t, err)
	}
	l.cfg.Hook("target: adopt after commit")
	return nil
}

// writeReceipt writes a receipt in the transaction of its rows (invariant I2).
func (l *Local) writeReceipt(ctx context.Context, c *pg.Conn, r *chunker.Receipt) error {
	_, err := c.Query(ctx, `INSERT INTO replicator.receipt (job, tbl, chunk, rows, bytes, digest, snapshot)
		VALUES ($1, $2::int, $3::int, $4::bigint, $5::bigint, $6, $7)`, l.cfg.Job, strconv.Itoa(r.Table), strconv.Itoa(r.Chunk),
		strconv.FormatInt(r.Rows, 10), strconv.FormatInt(r.Bytes, 10), r.Digest, r.Snapshot.String())
	return err
}
