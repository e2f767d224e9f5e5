package schema

import (
	"context"
	"fmt"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// Matching tells, for each table, the first of the patterns (as --tables has them) that it
// matches: its index, or len(patterns).
func Matching(ctx context.Context, conn *pg.Conn, tables []chunker.Table, patterns []string) ([]int, error) {
	first := make([]int, len(tables))
	byOID := make(map[uint32]int, len(tables))
	for i := range tables {
		first[i] = len(patterns)
		byOID[tables[i].OID] = i
	}
	for n := len(patterns) - 1; n >= 0; n-- {
		p, err := parseRelation(patterns[n])
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", patterns[n], err)
		}
		rows, err := atUsersPath(ctx, conn, "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "+p.relation())
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", patterns[n], err)
		}
		for _, r := range rows {
			if i, ok := byOID[oid(r[0])]; ok {
				first[i] = n
			}
		}
	}
	return first, nil
}
