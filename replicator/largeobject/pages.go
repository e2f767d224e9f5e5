package largeobject

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"replicator/replicator/pg"
)

// block is how many pages go in a row.
const block = heldBytes / 2048

// Pages copies the pages of objects into w as binary COPY gives them, object by object in the order
// given, all under one snapshot. An object that is gone has none.
//
// An object's last block of pages comes first, its first block last, each in ascending order. For lo_put
// looks for the next page that is there; of an object that was removed in the same transaction all pages
// are still in the index, and each call would go through all that follow its own. So it finds the block
// that was written before.
func Pages(ctx context.Context, conn *pg.Conn, oids []uint32, w io.Writer) (rows int64, err error) {
	err = reading(ctx, conn, func() error {
		// By the index, object after object: a sort would take the content of all of them to disk.
		err := conn.Exec(ctx, "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
		if err != nil {
			return err
		}
		rows, err = conn.CopyTo(ctx, w, `COPY (SELECT p.* FROM unnest(`+pg.Literal(array(oids))+`::oid[]) AS o(loid),
			LATERAL generate_series((SELECT max(m.pageno) FROM pg_largeobject m WHERE m.loid = o.loid) / `+blockSQL+`, 0, -1) AS b(block),
			LATERAL (SELECT loid, pageno, data FROM pg_largeobject p
				WHERE p.loid = o.loid AND p.pageno BETWEEN b.block * `+blockSQL+` AND b.block * `+blockSQL+` + `+blockSQL+` - 1 ORDER BY pageno) AS p
			) TO STDOUT (FORMAT binary)`)
		return err
	})
	if err != nil {
		return rows, fmt.Errorf("copy large objects: %w", unread(err))
	}
	return rows, flushed(ctx, conn)
}

var blockSQL = strconv.Itoa(block)
