package schema

import (
	"context"
	"fmt"
	"strings"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// NamingIndexes finds the tables, by OID, with a regclass that names an index of a table that is followed:
// on the target there is no such name before the index is built, which is after the rows. They are copied
// at the fence. Values that name an index of another such table, or of one that is late, still stop the
// copy. What may not be read is passed over: whoever reads rows meets the same refusal.
func NamingIndexes(ctx context.Context, conn *pg.Conn, tables []chunker.Table, late func(*chunker.Table) bool) (map[uint32]bool, error) {
	columns := map[uint32][]string{}
	var followed []string
	for i := range tables {
		t := &tables[i]
		if late(t) {
			continue
		}
		for _, c := range t.Columns {
			if c.Type == "regclass" {
				columns[t.OID] = append(columns[t.OID], c.Name)
			}
		}
		if columns[t.OID] == nil {
			followed = append(followed, fmt.Sprint(t.OID))
		}
	}
	naming := map[uint32]bool{}
	for i := range tables {
		t := &tables[i]
		for _, column := range columns[t.OID] {
			some, err := conn.Value(ctx, fmt.Sprintf(`SELECT EXISTS (SELECT FROM ONLY %s x JOIN pg_catalog.pg_index i ON i.indexrelid = x.%s::pg_catalog.oid
				WHERE i.indrelid = ANY ($1::pg_catalog.oid[]))`, t.Qualified(), pg.Ident(column)), "{"+strings.Join(followed, ",")+"}")
			if err != nil && pg.State(err) != insufficientPrivilege {
				return nil, fmt.Errorf("look for names of indexes in %s: %w", t, err)
			}
			naming[t.OID] = naming[t.OID] || some == "t"
		}
	}
	return naming, nil
}
