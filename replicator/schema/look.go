package schema

import (
	"context"
	"fmt"
	"slices"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// Mark is by what a rewrite of a table is noticed; see marks.
type Mark struct {
	File    uint32 `json:"file"`
	Altered string `json:"altered"`
}

// Look tells what statements have made of planned tables since. known are the marks of tables whose
// marks have changed since they were planned, by ordinal, and harmless: a VACUUM FULL today and a grant
// on a column tomorrow are no rewrite. What is found harmless now is added to it; moved says so.
func Look(ctx context.Context, conn *pg.Conn, tables []chunker.Table, known map[int]Mark) (changes []Change, moved bool, err error) {
	now, err := Present(ctx, conn, tables)
	if err != nil {
		return nil, false, err
	}
	again, err := madeAgain(ctx, conn, tables, now)
	if err != nil {
		return nil, false, err
	}
	for i := range tables {
		t := tables[i]
		if t.Gone {
			continue
		}
		if m, ok := known[t.Ordinal]; ok {
			t.File, t.Altered = m.File, m.Altered
		}
		is := now[t.OID]
		found := Changes(&t, is, again[t.OID])
		if is != nil && t.Identity == chunker.IdentityKey && is.Identity == chunker.IdentityFull {
			unique, err := stillUnique(ctx, conn, is, t.Key)
			if err != nil {
				return nil, false, err
			}
			if !unique && len(found) == 0 {
				found = []Change{{Kind: "REPLICA IDENTITY", Table: t.String(), What: "it is full, and nothing keeps its key unique any more", Rows: true}}
			}
		}
		if len(found) == 0 && t.File != 0 && (t.File != is.File || t.Altered != is.Altered) {
			known[t.Ordinal], moved = Mark{is.File, is.Altered}, true
		}
		changes = append(changes, found...)
	}
	return changes, moved, nil
}

// madeAgain finds, for tables that are gone, others of their names, by the OIDs of those that are gone.
func madeAgain(ctx context.Context, conn *pg.Conn, tables []chunker.Table, now map[uint32]*chunker.Table) (map[uint32]*chunker.Table, error) {
	again := map[uint32]*chunker.Table{}
	for i := range tables {
		t := &tables[i]
		if t.Gone || now[t.OID] != nil {
			continue
		}
		rows, err := conn.Query(ctx, "SELECT c.oid FROM pg_class c WHERE c.oid = to_regclass($1) AND c.relkind = 'r'", t.Qualified())
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", t, err)
		}
		if len(rows) == 1 {
			again[t.OID] = &chunker.Table{OID: oid(rows[0][0]), Schema: t.Schema, Name: t.Name}
		}
	}
	return again, nil
}

// stillUnique reports whether an index of the table keeps exactly these columns unique.
func stillUnique(ctx context.Context, conn *pg.Conn, t *chunker.Table, key []string) (bool, error) {
	rows, err := conn.Query(ctx, `SELECT i.indexrelid, a.attname
		FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, pos)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		WHERE i.indrelid = $1::oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
			AND k.pos <= i.indnkeyatts`, fmt.Sprint(t.OID))
	if err != nil {
		return false, fmt.Errorf("look at the key of %s: %w", t, err)
	}
	indexes := map[string][]string{}
	for _, r := range rows {
		indexes[r[0]] = append(indexes[r[0]], r[1])
	}
	want := slices.Sorted(slices.Values(key))
	for _, columns := range indexes {
		if slices.Sort(columns); slices.Equal(columns, want) {
			return true, nil
		}
	}
	return false, nil
}
