package check

import (
	"fmt"
	"time"

	"replicator/replicator/sizing/forecast"
)

// Foretold is what was foretold from measurements: it counts more than a guess from sizes.
type Foretold struct {
	Made time.Time      `json:"made"`
	Seed forecast.Range `json:"seed_range"`
	Open forecast.Range `json:"fence_to_open"` // every row compared
}

// Estimate is a guess from sizes alone. Nothing was measured.
type Estimate struct {
	CopyLow   time.Duration `json:"copy_low_ns"`
	CopyHigh  time.Duration `json:"copy_high_ns"`
	IndexLow  time.Duration `json:"index_low_ns"`
	IndexHigh time.Duration `json:"index_high_ns"`
	// Late is what the late tables cost while the database is closed.
	LateLow     time.Duration `json:"late_low_ns"`
	LateHigh    time.Duration `json:"late_high_ns"`
	Assumptions []string      `json:"assumptions"`
}

// The rates of the whole path on hardware that nobody measured, bytes a second.
const (
	fast = 120 << 20
	slow = 60 << 20
)

// estimate: an index is taken to be built as fast as its bytes would be copied, after the rows.
func estimate(rows, indexes, late int64) Estimate {
	at := func(bytes, rate int64) time.Duration {
		return time.Duration(float64(bytes) / float64(rate) * float64(time.Second)).Round(time.Second)
	}
	return Estimate{
		CopyLow: at(rows-late, fast), CopyHigh: at(rows-late, slow),
		IndexLow: at(indexes, fast), IndexHigh: at(indexes, slow),
		LateLow: at(late, fast), LateHigh: at(late, slow),
		Assumptions: []string{
			fmt.Sprintf("the whole path, from disk to disk, carries %d to %d MB/s", slow>>20, fast>>20),
			"indexes are built as fast as their bytes would be copied, and after the rows",
			"nothing was measured: a rough guess until replicator bench --dir measures, and check --dir tells what that foretold",
		},
	}
}

// Low and High bound the time from the start to the consistent point.
func (e *Estimate) Low() time.Duration { return e.CopyLow + e.IndexLow }

// High is the longer guess.
func (e *Estimate) High() time.Duration { return e.CopyHigh + e.IndexHigh }
