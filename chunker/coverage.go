package chunker

import (
	"encoding/hex"
	"fmt"
	"sort"

	"replicator/wal"
)

// Coverage answers, for one copied table, which chunk covers a row and whether that chunk's
// snapshot has seen a transaction: the two questions of the visibility rule (invariant I3).
type Coverage struct {
	table     *Table
	chunks    []Chunk
	keyType   uint32
	bounds    []string // sort key of Lo of chunk i+1
	snapshots []wal.Snapshot
}

// NewCoverage wants the receipts of every chunk of t: a change cannot be judged by a chunk that was
// not read.
func NewCoverage(t *Table, chunks []Chunk, receipts []Receipt) (*Coverage, error) {
	c := &Coverage{table: t, chunks: chunks, snapshots: make([]wal.Snapshot, len(chunks))}
	for _, r := range receipts {
		if r.Chunk < 0 || r.Chunk >= len(chunks) {
			return nil, fmt.Errorf("table %s: receipt for chunk %d of %d", t, r.Chunk, len(chunks))
		}
		c.snapshots[r.Chunk] = r.Snapshot
	}
	for i := range chunks {
		if c.snapshots[i].IsZero() {
			return nil, fmt.Errorf("table %s: chunk %d has no receipt", t, i)
		}
	}
	if len(chunks) > 0 && chunks[0].Kind == Range {
		return c, c.order()
	}
	return c, nil
}

// order fills bounds.
func (c *Coverage) order() error {
	c.keyType = c.table.Columns[c.table.Column(c.table.Key[0])].OID
	for _, ch := range c.chunks[1:] {
		wire, err := hex.DecodeString(ch.Lo.Wire)
		if err != nil {
			return fmt.Errorf("table %s: bound of chunk %d: %w", c.table, ch.Ordinal, err)
		}
		key, err := sortKey(c.keyType, wire)
		if err != nil {
			return fmt.Errorf("table %s: bound of chunk %d: %w", c.table, ch.Ordinal, err)
		}
		if n := len(c.bounds); n > 0 && key <= c.bounds[n-1] {
			return fmt.Errorf("table %s: bounds of chunk %d are not in order", c.table, ch.Ordinal)
		}
		c.bounds = append(c.bounds, key)
	}
	return nil
}

// Chunks is the number of chunks.
func (c *Coverage) Chunks() int { return len(c.chunks) }

// Chunk is the ordinal of the chunk that covers the row whose leading key column is key, in
// binary or in text form. Tables that are not cut by key ranges were read under one snapshot,
// so any chunk stands for all: it is 0.
func (c *Coverage) Chunk(key []byte, text bool) (int, error) {
	if c.keyType == 0 {
		return 0, nil
	}
	wire := key
	if text {
		var err error
		if wire, err = wireForm(c.keyType, string(key)); err != nil {
			return 0, fmt.Errorf("table %s: %w", c.table, err)
		}
	}
	k, err := sortKey(c.keyType, wire)
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", c.table, err)
	}
	return sort.Search(len(c.bounds), func(i int) bool { return c.bounds[i] > k }), nil
}

// Sees reports whether the chunk's snapshot shows transaction xid (32-bit, as in Begin).
func (c *Coverage) Sees(chunk int, xid uint32) bool { return c.snapshots[chunk].Sees(xid) }

// Where is the condition that bounds the chunk's rows on either side; "" means that the chunk
// stands for the whole table.
func (c *Coverage) Where(chunk int) string {
	if c.keyType == 0 {
		return ""
	}
	return c.chunks[chunk].Where(c.table)
}
