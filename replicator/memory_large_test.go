//go:build memory

package replicator_test

const (
	largeTransaction = 5_000_000
	largeValue       = 200 << 20
)
