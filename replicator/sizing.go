package replicator

import (
	"context"

	"replicator/replicator/fault"
	"replicator/replicator/link"
	"replicator/replicator/sizing"
)

// Bench measures part of what a move will use, and forecasts from that. way is how the target end is
// reached where it is at another site; o.Link is made from it.
func Bench(ctx context.Context, part sizing.Part, o sizing.Options, way Link, job string) (*sizing.Report, error) {
	if err := way.forBench(&o, job); err != nil {
		return nil, err
	}
	return sizing.Run(ctx, part, o)
}

// BenchCleanup removes what a killed measurement left on the target.
func BenchCleanup(ctx context.Context, o sizing.Options, way Link, job string) error {
	if err := way.forBench(&o, job); err != nil {
		return err
	}
	return sizing.Cleanup(ctx, o)
}

// forBench fills in o.Link. A certificate may be for one job: a measurement then goes under its name,
// but never into its tables.
func (l *Link) forBench(o *sizing.Options, job string) error {
	if err := l.validate(o.Target); err != nil {
		return fault.New(fault.Usage, err, "see replicator bench --help")
	}
	if l.Host == "" {
		return nil
	}
	name, err := l.nameJob(job)
	if err != nil {
		return err
	}
	id, err := l.identity(name)
	if err != nil {
		return err
	}
	if name == "" {
		name = "bench"
	}
	o.Link = &link.Config{Address: l.Host, Identity: id, Job: name, Database: l.Database, Streams: l.Streams}
	return nil
}
