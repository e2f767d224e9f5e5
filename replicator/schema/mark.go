package schema

import (
	"context"
	"fmt"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// marks fills in by what statements are noticed that change a table and leave names and types as they
// are: what stands above it, its generated columns, its file, and the versions of its columns' catalog
// rows. Every ALTER of a column writes a new version of that row, and nothing else does but a grant.
// The place of a partition is all that stands above it, and every bound on the way; DETACH CONCURRENTLY
// that waits for others is told apart.
// Expressions are taken as they are stored: to print one the server would lock the table.
func marks(ctx context.Context, conn *pg.Conn, at map[uint32]*chunker.Table, oids string, names interned) error {
	rows, err := conn.Query(ctx, `WITH RECURSIVE up(leaf, rel, depth) AS (
			SELECT oid, oid, 0 FROM pg_class WHERE oid = ANY ($1::oid[]) AND relispartition
			UNION ALL SELECT u.leaf, i.inhparent, u.depth + 1 FROM up u JOIN pg_inherits i ON i.inhrelid = u.rel
		), place AS (
			SELECT u.leaf, concat(max(md5(c.relpartbound::text)) FILTER (WHERE u.depth = 0), ' ',
				md5(string_agg(concat_ws(' ', format('%I.%I', n.nspname, c.relname), md5(c.relpartbound::text)), ',' ORDER BY u.depth) FILTER (WHERE u.depth > 0))) AS digest
			FROM up u JOIN pg_class c ON c.oid = u.rel JOIN pg_namespace n ON n.oid = c.relnamespace GROUP BY u.leaf
		)
		SELECT c.oid, c.relfilenode,
			COALESCE((SELECT md5(string_agg(a.attnum || ' ' || a.xmin, ',' ORDER BY a.attnum)) FROM pg_attribute a
				WHERE a.attrelid = c.oid AND a.attnum > 0), ''),
			COALESCE((SELECT string_agg(format('%I %s AS %s', a.attname, format_type(a.atttypid, a.atttypmod), md5(d.adbin::text)), ', ' ORDER BY a.attnum)
				FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
				WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped), ''),
			COALESCE((SELECT string_agg(format('%I.%I', pn.nspname, p.relname), ', ' ORDER BY i.inhseqno)
				FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
				WHERE i.inhrelid = c.oid), '')
				|| COALESCE(' bound ' || (SELECT digest FROM place WHERE leaf = c.oid), '')
				|| CASE WHEN EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid AND inhdetachpending) THEN '`+detachingMark+`' ELSE '' END
		FROM pg_class c WHERE c.oid = ANY ($1::oid[])`, oids)
	if err != nil {
		return fmt.Errorf("list what else can change: %w", err)
	}
	for _, r := range rows {
		t := at[oid(r[0])]
		t.File, t.Altered, t.Generated, t.Above = oid(r[1]), r[2], r[3], names.one(r[4])
	}
	return nil
}

// Present describes tables, by their OIDs, as they are now, without measuring them and so without a
// lock; ordinals are not filled in. A table that is gone is not among them.
func Present(ctx context.Context, conn *pg.Conn, tables []chunker.Table) (map[uint32]*chunker.Table, error) {
	texts, err := textTypes(ctx, conn)
	if err != nil {
		return nil, err
	}
	now, names := make(map[uint32]*chunker.Table, len(tables)), interned{}
	for len(tables) > 0 {
		n := min(len(tables), batch)
		part, err := presentPart(ctx, conn, tables[:n])
		if err != nil {
			return nil, err
		}
		if err := describe(ctx, conn, part, texts, names); err != nil {
			return nil, err
		}
		for i := range part {
			now[part[i].OID] = &part[i]
		}
		tables = tables[n:]
	}
	return now, nil
}

func presentPart(ctx context.Context, conn *pg.Conn, tables []chunker.Table) ([]chunker.Table, error) {
	list := make([][]string, len(tables))
	for i := range tables {
		list[i] = []string{fmt.Sprint(tables[i].OID)}
	}
	rows, err := conn.Query(ctx, `SELECT c.oid, n.nspname, c.relname, r.rolname, c.relpersistence = 'u', c.reltuples::bigint, 0, 0, c.relreplident, `+notFull+`
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
		WHERE c.relkind = 'r' AND c.oid = ANY ($1::oid[])`, oidArray(list))
	if err != nil {
		return nil, fmt.Errorf("look at tables: %w", err)
	}
	part := make([]chunker.Table, len(rows))
	for i, r := range rows {
		part[i] = heap(r)
	}
	return part, nil
}
