package main

import (
	"context"
	"time"

	"replicator/replicator"
	"replicator/replicator/sizing"
	"replicator/replicator/status"
)

// demoBench is how long the demo measures. What it foretells is printed beside what happened at the end.
const demoBench = 12 * time.Second

// bench is replicator bench all, which keeps its forecast for the job.
func (d *demo) bench(ctx context.Context) error {
	o := sizing.Options{Source: d.sourceDSN, Target: d.targetDSN, Dir: d.jobDir, Duration: demoBench, Logger: d.log}
	r, err := replicator.Bench(ctx, sizing.AllParts, o, replicator.Link{}, "")
	if err != nil {
		return err
	}
	if f := r.Forecast; f != nil {
		d.tell("foretold: the pre-seed takes %s, from the fence to the opening %s with every row compared", status.Seconds(f.SeedRange.P50), status.Seconds(f.OpenRange.P50))
	}
	return nil
}
