//go:build !memory

package replicator_test

// Sizes that show growth and take seconds; make bench-memory takes what DESIGN.md names.
const (
	largeTransaction = 300_000  // rows
	largeValue       = 64 << 20 // bytes
)
