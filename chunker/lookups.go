package chunker

import (
	"context"

	"replicator/checksum"
	"replicator/replicator/pg"
)

// Keyed is rows of a table, by the images of their keys: see Lookup.
type Keyed struct {
	Table *Table
	Keys  [][]byte
}

// Lookups are the sets of rows of several tables, looked up one table after another.
func Lookups(ctx context.Context, conn *pg.Conn, secret checksum.Secret, list []Keyed) ([]checksum.Set, error) {
	sets := make([]checksum.Set, len(list))
	for i := range list {
		s := Scan{Table: list[i].Table, Secret: secret}
		f, err := s.Lookup(ctx, conn, list[i].Keys)
		if err != nil {
			return nil, err
		}
		sets[i] = f.Total()
	}
	return sets, nil
}
