package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"replicator/bench/wire"
)

// capacity is what the wire really carries from source to target, in bytes per second.
type capacity struct {
	payload float64 // of a plain TCP stream
	frames  float64 // the same with all headers, as the counters count
}

// probeFor is long enough for TCP to fill the wire and for the burst not to matter.
const probeFor = 2 * time.Second

// probe measures the capacity with a plain TCP transfer.
func probe(ctx context.Context, w *wire.Wire) (c capacity, err error) {
	from, to, err := (&wire.Link{Wire: w}).Pipe(ctx)
	if err != nil {
		return c, err
	}
	defer from.Close()
	defer to.Close()
	var received int64
	done := make(chan error, 1)
	go func() {
		var err error
		received, err = io.Copy(io.Discard, to)
		done <- err
	}()
	before, _, err := w.Carried()
	began := time.Now()
	block := make([]byte, 256<<10)
	for err == nil && time.Since(began) < probeFor && ctx.Err() == nil {
		_, err = from.Write(block)
	}
	err = errors.Join(err, from.Close(), <-done, ctx.Err())
	took := time.Since(began).Seconds()
	after, _, cerr := w.Carried()
	if err = errors.Join(err, cerr); err != nil {
		return c, fmt.Errorf("probe the wire: %w", err)
	}
	return capacity{payload: float64(received) / took, frames: float64(after-before) / took}, nil
}
