//go:build !memory

package replicator_test

// largeTransaction is a number of rows that shows growth and takes seconds; make bench-memory takes
// the number that DESIGN.md names.
const largeTransaction = 300_000
