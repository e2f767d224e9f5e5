package chunker

import (
	"fmt"
	"strings"

	"replicator/replicator/pg"
	"replicator/wal"
)

// Kind is how a chunk is bounded.
type Kind string

// The kinds of chunk.
const (
	Whole Kind = "whole" // the whole table
	Range Kind = "range" // a range of the leading key column
	Block Kind = "block" // a range of heap blocks (ctid)
)

// Chunk is a range of one table, read under one snapshot and written in one transaction.
type Chunk struct {
	Table   int    `json:"table"`   // Table.Ordinal
	Ordinal int    `json:"ordinal"` // within its table, from 0
	Kind    Kind   `json:"kind"`
	Lo      *Bound `json:"lo,omitempty"`    // Range: first key in it; nil is open
	Hi      *Bound `json:"hi,omitempty"`    // Range: first key beyond it; nil is open
	First   int64  `json:"first,omitempty"` // Block: first block in it
	Last    int64  `json:"last,omitempty"`  // Block: first block beyond it; 0 is open
}

// Where is the SQL condition that bounds c, "" for a whole table. A Block condition means
// something on the side it was made for only: the same row lies elsewhere on the target.
func (c *Chunk) Where(t *Table) string {
	switch c.Kind {
	case Range:
		return c.rangeWhere(t)
	case Block:
		if c.Last == 0 {
			return fmt.Sprintf("ctid >= '(%d,0)'::tid", c.First)
		}
		return fmt.Sprintf("ctid >= '(%d,0)'::tid AND ctid < '(%d,0)'::tid", c.First, c.Last)
	}
	return ""
}

func (c *Chunk) rangeWhere(t *Table) string {
	key := pg.Ident(t.Key[0])
	typ := t.Columns[t.Column(t.Key[0])].Type
	var cond string
	if c.Lo != nil {
		cond = fmt.Sprintf("%s >= %s::%s", key, pg.Literal(c.Lo.Text), typ)
	}
	if c.Hi != nil {
		if cond != "" {
			cond += " AND "
		}
		cond += fmt.Sprintf("%s < %s::%s", key, pg.Literal(c.Hi.Text), typ)
	}
	return cond
}

// Receipt is the target's record of a chunk, committed with its rows (invariant I2).
type Receipt struct {
	Table    int          `json:"table"`
	Chunk    int          `json:"chunk"`
	Rows     int64        `json:"rows"`
	Bytes    int64        `json:"bytes"`  // raw, as COPY gave them
	Digest   string       `json:"digest"` // BLAKE3 of the digests of its frames in order, each of which is of its raw bytes, hex; or of a chunk that stood already the checksum.Set of its rows
	Snapshot wal.Snapshot `json:"snapshot"`
}

// Stood reports whether the rows were not copied: they stood on the target and were found equal. Where
// chunks are not told apart there, the first has the rows of all.
func (r *Receipt) Stood() bool { return strings.Contains(r.Digest, ":") }
