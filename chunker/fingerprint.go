package chunker

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/replicator/pg"
)

// firstUserOID is the first OID that is not PostgreSQL's own: such a type has another OID on the
// other side, and the binary form of arrays and composites carries OIDs.
const firstUserOID = 16384

// fingerprintSQL reads the rows as both sides spell them alike. text is for jobs whose changes travel
// as text, which knows one NaN only.
func fingerprintSQL(t *Table, where string, text bool) string {
	cols := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = pg.Ident(c.Name)
		if c.OID >= firstUserOID && !text {
			cols[i] += "::text"
		}
	}
	if where != "" {
		where = " WHERE " + where
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s%s) TO STDOUT (FORMAT %s)", strings.Join(cols, ", "), t.Qualified(), where, format(text))
}

// Fingerprint reads all rows of t, as they are now, and sums them up independently of their order.
// jobs sessions share the heap by blocks; they see one state only if nobody writes meanwhile.
func Fingerprint(ctx context.Context, t *Table, text bool, jobs int, connect func(context.Context) (*pg.Conn, error)) (checksum.Set, error) {
	first, err := connect(ctx)
	if err != nil {
		return checksum.Set{}, err
	}
	defer first.Close()
	parts, err := heapParts(ctx, first, t, jobs)
	if err != nil {
		return checksum.Set{}, err
	}
	var mu sync.Mutex
	var sum checksum.Set
	g, ctx := errgroup.WithContext(ctx)
	for i, where := range parts {
		g.Go(func() error {
			conn := first
			if i > 0 {
				c, err := connect(ctx)
				if err != nil {
					return err
				}
				defer c.Close()
				conn = c
			}
			part, err := fingerprintPart(ctx, conn, t, where, text || t.Text)
			mu.Lock()
			sum.Merge(part)
			mu.Unlock()
			return err
		})
	}
	return sum, g.Wait()
}

// minPartBlocks is the least that is worth a session of its own: 8 MiB.
const minPartBlocks = 1024

func heapParts(ctx context.Context, conn *pg.Conn, t *Table, jobs int) ([]string, error) {
	var pages int64
	v, err := conn.Value(ctx, "SELECT pg_relation_size(to_regclass($1)) / current_setting('block_size')::bigint", t.Qualified())
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Sscan(v, &pages); err != nil {
		return nil, fmt.Errorf("size of %s: %w", t, err)
	}
	n := max(1, min(int64(jobs), pages/minPartBlocks))
	parts := make([]string, n)
	for i, c := range blocks(&Table{Pages: max(pages, n)}, int(n)) {
		parts[i] = c.Where(t)
	}
	return parts, nil
}

func fingerprintPart(ctx context.Context, conn *pg.Conn, t *Table, where string, text bool) (checksum.Set, error) {
	var set checksum.Set
	rows := checksum.NewRowSplitter(text, set.Add)
	if _, err := conn.CopyTo(ctx, rows, fingerprintSQL(t, where, text)); err != nil {
		return set, err
	}
	return set, rows.Close()
}
