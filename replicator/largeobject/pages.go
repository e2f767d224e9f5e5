package largeobject

import (
	"context"
	"fmt"
	"io"

	"replicator/replicator/pg"
)

// Pages copies the pages of objects into w as binary COPY gives them, object by object in the order
// given, each from its first page to its last, all under one snapshot. An object that is gone has none.
func Pages(ctx context.Context, conn *pg.Conn, oids []uint32, w io.Writer) (rows int64, err error) {
	err = reading(ctx, conn, func() error {
		// By the index, object after object: a sort would take the content of all of them to disk.
		err := conn.Exec(ctx, "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
		if err != nil {
			return err
		}
		rows, err = conn.CopyTo(ctx, w, `COPY (SELECT p.* FROM unnest(`+pg.Literal(array(oids))+`::oid[]) AS o(loid),
			LATERAL (SELECT loid, pageno, data FROM pg_largeobject p WHERE p.loid = o.loid ORDER BY pageno) AS p) TO STDOUT (FORMAT binary)`)
		return err
	})
	if err != nil {
		return rows, fmt.Errorf("copy large objects: %w", err)
	}
	return rows, flushed(ctx, conn)
}
