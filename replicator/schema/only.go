package schema

import "replicator/chunker"

// Only is the selection of exactly these tables.
func Only(tables []chunker.Table) Selection {
	var s Selection
	for i := range tables {
		s.Tables = append(s.Tables, tables[i].Qualified())
	}
	return s
}
