package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// batch is how many tables' columns are asked for at once: the answer of a database with 100,000
// tables must not stand in memory twice.
const batch = 2000

// Tables lists the ordinary tables and leaf partitions that sel means, largest first, numbered in
// that order. Not among them: temporary tables, those of the server, members of extensions.
func Tables(ctx context.Context, conn *pg.Conn, sel Selection) ([]chunker.Table, error) {
	oids, err := sel.oids(ctx, conn)
	if err != nil {
		return nil, err
	}
	tables, err := heaps(ctx, conn, oids)
	if err != nil {
		return nil, err
	}
	texts, err := textTypes(ctx, conn)
	if err != nil {
		return nil, err
	}
	names := interned{}
	for part := range slices.Chunk(tables, batch) {
		if err := describe(ctx, conn, part, texts, names); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(tables, func(a, b chunker.Table) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	for i := range tables {
		tables[i].Ordinal = i
	}
	return tables, nil
}

// sizeWait bounds the wait for a lock when a table is measured (invariant I9), sizeTries how often
// that is tried before somebody is told.
const (
	sizeWait  = "2s"
	sizeTries = 5
)

// heaps lists the tables without their columns. The size functions take a share lock each.
func heaps(ctx context.Context, conn *pg.Conn, oids string) (tables []chunker.Table, err error) {
	if err := conn.Exec(ctx, `SET lock_timeout = '`+sizeWait+`'`); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Exec(ctx, `RESET lock_timeout`)) }()
	var rows [][]string
	for try := 1; ; try++ {
		rows, err = conn.Query(ctx, `SELECT c.oid, n.nspname, c.relname, r.rolname, c.relpersistence = 'u',
				c.reltuples::bigint, COALESCE(pg_relation_size(c.oid), 0),
				CASE WHEN c.reltoastrelid <> 0 THEN COALESCE(pg_relation_size(c.reltoastrelid), 0) ELSE 0 END,
				c.relreplident, `+notFull+`
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
			WHERE c.relkind = 'r' AND c.oid = ANY ($1::oid[])`, oids)
		if pg.State(err) != "55P03" || try == sizeTries {
			break
		}
	}
	if pg.State(err) == "55P03" {
		err = fault.New(fault.Source, err, "a table is locked exclusively by another session; wait for it to end")
	}
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	tables = make([]chunker.Table, len(rows))
	for i, r := range rows {
		tables[i] = heap(r)
	}
	return tables, nil
}

// notFull tells of a table c whether UPDATE and DELETE would fail if it were published with a full replica
// identity: from 18 on they do where a column is generated that the publication leaves out.
const notFull = `current_setting('server_version_num')::int >= 180000
	AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped)`

func heap(r []string) chunker.Table {
	const page = 8192
	identity, notFull := chunker.IdentityNone, r[9] == "t"
	if r[8] == "f" && !notFull {
		identity = chunker.IdentityFull
	}
	return chunker.Table{
		OID: oid(r[0]), Schema: r[1], Name: r[2], Owner: r[3],
		Unlogged: r[4] == "t",
		Rows:     integer(r[5]),
		Pages:    integer(r[6]) / page,
		Bytes:    integer(r[6]) + integer(r[7]),
		Identity: identity,
		NotFull:  notFull,
	}
}

// interned keeps one copy of each spelling: names and types of columns repeat in every partition.
type interned map[string]string

func (m interned) one(s string) string {
	if have, ok := m[s]; ok {
		return have
	}
	s = strings.Clone(s)
	m[s] = s
	return s
}

// describe fills in columns and keys of tables.
func describe(ctx context.Context, conn *pg.Conn, tables []chunker.Table, texts map[uint32]bool, names interned) error {
	at := make(map[uint32]*chunker.Table, len(tables))
	list := make([][]string, len(tables))
	for i := range tables {
		at[tables[i].OID] = &tables[i]
		list[i] = []string{fmt.Sprint(tables[i].OID)}
	}
	oids := oidArray(list)
	rows, err := conn.Query(ctx, `SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.atttypid,
			EXISTS (SELECT FROM pg_type e WHERE e.oid = a.atttypid AND e.typsubscript = 'array_subscript_handler'::regproc),
			a.attnotnull, a.attidentity, a.attnum
		FROM pg_attribute a
		WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		ORDER BY a.attrelid, a.attnum`, oids)
	if err != nil {
		return fmt.Errorf("list columns: %w", err)
	}
	for _, r := range rows {
		t := at[oid(r[0])]
		c := chunker.Column{
			Name: names.one(r[1]), Type: names.one(r[2]), OID: oid(r[3]),
			Array: r[4] == "t", NotNull: r[5] == "t", Identity: r[6], Num: int16(integer(r[7])),
		}
		t.Columns = append(t.Columns, c)
		if named, text := texts[c.OID]; text {
			t.Named = named && (t.Named || !t.Text)
			t.Text = true
		}
	}
	if err := marks(ctx, conn, at, oids, names); err != nil {
		return err
	}
	return keys(ctx, conn, at, oids, names)
}

// keys finds the replica identity's index as the server does (RelationGetIndexList): valid, unique,
// immediate, whole, and either the primary key where nothing was chosen, or the chosen one. A key
// with a generated column counts as none, since the WAL stream leaves that column out.
func keys(ctx context.Context, conn *pg.Conn, at map[uint32]*chunker.Table, oids string, names interned) error {
	rows, err := conn.Query(ctx, `SELECT i.indrelid, ic.relname, a.attname
		FROM pg_index i
			JOIN pg_class c ON c.oid = i.indrelid
			JOIN pg_class ic ON ic.oid = i.indexrelid
			CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, pos)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		WHERE i.indrelid = ANY ($1::oid[])
			AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)
			AND i.indislive AND i.indisvalid AND i.indisready AND i.indisunique AND i.indimmediate
			AND i.indpred IS NULL AND i.indexprs IS NULL
			AND k.pos <= i.indnkeyatts
			AND NOT EXISTS (SELECT FROM pg_attribute g WHERE g.attrelid = i.indrelid
				AND g.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) AND (g.attgenerated <> '' OR NOT g.attnotnull))
		ORDER BY i.indrelid, k.pos`, oids)
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	for _, r := range rows {
		t := at[oid(r[0])]
		t.Identity = chunker.IdentityKey
		t.KeyIndex = r[1]
		t.Key = append(t.Key, names.one(r[2]))
	}
	return nil
}
