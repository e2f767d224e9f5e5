package chunker

import "replicator/wal"

// Kind is how a chunk is bounded.
type Kind string

// The kinds of chunk.
const (
	Whole Kind = "whole" // the whole table
	Range Kind = "range" // Lo <= leading key column < Hi; "" is open
	Block Kind = "block" // First <= block number < Last; Last 0 is open
)

// Chunk is a range of one table, read under one snapshot and written in one transaction.
type Chunk struct {
	Table   int    `json:"table"`   // Table.Ordinal
	Ordinal int    `json:"ordinal"` // within its table, from 0
	Kind    Kind   `json:"kind"`
	Lo      string `json:"lo,omitempty"` // text of the key type
	Hi      string `json:"hi,omitempty"`
	First   int64  `json:"first,omitempty"`
	Last    int64  `json:"last,omitempty"`
}

// Receipt is the target's record of a chunk, committed with its rows (invariant I2).
type Receipt struct {
	Table    int          `json:"table"`
	Chunk    int          `json:"chunk"`
	Rows     int64        `json:"rows"`
	Bytes    int64        `json:"bytes"`  // raw, as COPY gave them
	Digest   string       `json:"digest"` // BLAKE3 of the raw bytes, hex
	Snapshot wal.Snapshot `json:"snapshot"`
}
