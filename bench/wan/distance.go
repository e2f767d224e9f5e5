package main

import (
	"context"
	"fmt"
	"time"

	"replicator/bench/measure"
	"replicator/bench/wire"
)

// distances are round trips within a town, to the next country, and across an ocean.
var distances = []time.Duration{0, 20 * time.Millisecond, 80 * time.Millisecond}

// distanceMbit is the rate at which a distance hurts that is not hidden.
const distanceMbit = 100

// compareDistances asks what a distance costs us. The proxy stands in every way, so that only its
// delay differs.
func compareDistances(ctx context.Context, w *world, r *measure.Report, o options) error {
	g := r.Group("What a distance costs, over "+wire.RateName(distanceMbit), "seconds")
	var links []*wire.Link
	var into []*measure.Subject
	for _, rtt := range distances {
		l, err := w.lay(ctx, wire.Link{Mbit: distanceMbit, RTT: rtt, Always: true})
		if err != nil {
			return err
		}
		links = append(links, l)
		into = append(into, g.Subject(fmt.Sprintf("replicator, %d ms", rtt.Milliseconds()), measure.Ours, "through the proxy"))
	}
	w.capacity[distanceMbit].fact(g)
	err := measure.Interleave(o.runs, len(links), func(run, i int) error {
		v, err := w.try(ctx, ours(), links[i])
		if err != nil {
			return fmt.Errorf("%s, run %d: %w", into[i].Name, run+1, err)
		}
		w.log.Info("moved", "by", into[i].Name, "run", run+1, "seconds", fmt.Sprintf("%.1f", v["seconds"]))
		into[i].Add(v)
		return nil
	})
	for _, s := range into {
		if near := into[0].Median["seconds"]; near > 0 && s.Median != nil {
			s.Median["versus_first"] = s.Median["seconds"] / near
		}
	}
	return err
}
