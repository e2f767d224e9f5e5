package schema

import "replicator/chunker"

// Only is the selection of exactly these tables and other relations.
func Only(tables []chunker.Table, others []Relation) Selection {
	var s Selection
	for i := range tables {
		s.Tables = append(s.Tables, tables[i].Qualified())
	}
	for i := range others {
		s.Tables = append(s.Tables, others[i].Qualified())
	}
	return s
}
