// Package chunker says how a table is cut, read and written.
//
// A [Table] is what the engine must know of one ordinary table. A [Chunk] is a range of it that is
// read under one snapshot and written in one transaction: a range of the leading key column where
// the heap lies roughly in key order, else a range of blocks (ctid), else the whole table. [Cut]
// makes the chunks, [Read] is COPY TO, [Write] is COPY FROM; the bytes in between are never decoded.
//
// A key-range table also answers [Table] by key: which chunk covers a row, so that a change finds
// the snapshot that it must be judged by (invariant I3).
//
// A [Scan] reads one side's rows for comparison: into a fingerprint (package checksum), as a list of
// hashes, or to find rows by their hashes. What both sides must agree on is how a row is spelled, and
// spelling.go is the one place that says so. [Narrow] leads from fingerprints that differ to rows.
package chunker
