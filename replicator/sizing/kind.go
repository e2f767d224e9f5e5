package sizing

import (
	"replicator/chunker"
	"replicator/replicator/verify"
)

// Kind is what rows of a table cost.
type Kind string

// The kinds of table.
const (
	Small  Kind = "small"   // the whole table is less than smallBytes
	Narrow Kind = "narrow"  // rows below narrowRow on average
	Wide   Kind = "wide"    // longer ones
	Toast  Kind = "TOASTed" // most bytes lie in TOAST
)

var kinds = []Kind{Narrow, Wide, Toast, Small}

const (
	smallBytes = verify.Little
	narrowRow  = 200 // bytes on disk
	pageBytes  = 8192
)

// kindOf judges by size. Rows that nobody has counted count as wide.
func kindOf(t *chunker.Table) Kind {
	heap := t.Pages * pageBytes
	switch {
	case t.Bytes < smallBytes:
		return Small
	case t.Bytes-heap > heap:
		return Toast
	case t.Rows > 0 && heap/t.Rows < narrowRow:
		return Narrow
	}
	return Wide
}

// byKind sorts tables, keeping their order.
func byKind(tables []chunker.Table) map[Kind][]*chunker.Table {
	out := map[Kind][]*chunker.Table{}
	for i := range tables {
		k := kindOf(&tables[i])
		out[k] = append(out[k], &tables[i])
	}
	return out
}

func bytesOf(tables []*chunker.Table) (n int64) {
	for _, t := range tables {
		n += t.Bytes
	}
	return n
}
