//go:build race

package frame

// Under the race detector a sync.Pool forgets at random.
const raceDetector = true
