package main

import (
	"testing"

	"replicator/bench/smoke"
)

// TestSmoke foretells and moves a few small tables with both ends in one process; what the catch-up then
// does must be the steps that were foretold.
func TestSmoke(t *testing.T) {
	t.Parallel()
	smoke.Run(t, func(args []string) error { return bench(t.Context(), args) },
		"--data", "many", "--scale", "0.001", "--mbit", "0", "--duration", "5s")
}
