package workload

import (
	"errors"
	"time"

	"replicator/replicator/pg"
)

// Options say what to write to, and how hard.
type Options struct {
	DSN     string  // a database that clinical.Load has filled
	Rate    float64 // acts a second over all workers; 0: as fast as it goes
	Workers int     // sessions; 0: 4
	Seed    uint64  // fixes each worker's choices, not how they interleave
	Canary  string  // in every text value, as in clinical.Options
	// Long is about how long the occasional long transaction stays open; 0: 3 s.
	Long time.Duration
	// NoTruncate leaves out the one act that takes an exclusive lock.
	NoTruncate bool
	// Committed, unless it is nil, is told of every act that has committed, how long it took since it
	// was due: with a rate, an act that waits for a free session waits as a patient does. Workers
	// call it side by side.
	Committed func(act string, took time.Duration)
}

const (
	defaultWorkers = 4
	defaultLong    = 3 * time.Second
)

// Validate checks o without connecting.
func (o Options) Validate() error {
	if o.Rate < 0 || o.Workers < 0 || o.Long < 0 {
		return errors.New("rate, workers and long must not be negative")
	}
	_, err := pg.ParseDSN(o.DSN)
	return err
}

func (o Options) withDefaults() Options {
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	if o.Long == 0 {
		o.Long = defaultLong
	}
	return o
}
