package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"replicator/bench/clinical"
	"replicator/bench/clinical/workload"
	"replicator/bench/cluster"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// The wards of the demo.
const (
	demoDatabase = "clinical"
	demoRole     = "clinical-app" // the application's role, no superuser
	demoRate     = 120            // transactions a second
	demoSeed     = 2026
)

// hospital is the two servers and the wards that write.
type hospital struct {
	source, target       *cluster.Cluster
	sourceDSN, targetDSN string // as a superuser
}

// start starts both servers and fills the source.
func (d *demo) start(ctx context.Context) error {
	d.chapter("Two PostgreSQL servers are started on this machine.")
	g, gctx := errgroup.WithContext(ctx)
	for _, side := range []struct {
		cluster **cluster.Cluster
		dsn     *string
	}{{&d.source, &d.sourceDSN}, {&d.target, &d.targetDSN}} {
		g.Go(func() (err error) {
			if *side.cluster, err = cluster.Start(gctx, cluster.Config{}); err != nil {
				return err
			}
			*side.dsn, err = (*side.cluster).CreateDatabase(gctx, demoDatabase)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fault.New(fault.Preflight, fmt.Errorf("start a server: %w", err), "the demo needs PostgreSQL's server programs: apt-get install postgresql")
	}
	d.chapter("The old server gets a made-up hospital: emergency, health record, outpatient.")
	if err := clinical.Load(ctx, d.sourceDSN, clinical.Options{Scale: d.scale, Seed: demoSeed}); err != nil {
		return fault.New(fault.Source, fmt.Errorf("fill the source: %w", err), "")
	}
	return nil
}

// close removes the servers. They end with this process in any case.
func (h *hospital) close() error {
	var errs []error
	for _, c := range []*cluster.Cluster{h.source, h.target} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// wards write to a server until they are stopped.
type wards struct {
	*background
	load *workload.Workload
}

func startWards(ctx context.Context, c *cluster.Cluster, seed uint64) (*wards, error) {
	load, err := workload.New(workload.Options{DSN: c.DSNAs(demoRole, demoDatabase), Rate: demoRate, Seed: seed, Workers: 3})
	if err != nil {
		return nil, err
	}
	return &wards{startBackground(ctx, load.Run), load}, nil
}

// count is what they have done so far.
func (w *wards) count() string {
	s := w.load.Stats()
	return fmt.Sprintf("%s transactions with %s rows", status.Count(s.Committed), status.Count(s.Rows))
}

// background is something that goes on beside the story.
type background struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once ended is closed
}

func startBackground(ctx context.Context, run func(context.Context) error) *background {
	ctx, cancel := context.WithCancel(ctx)
	b := &background{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(b.ended)
		b.err = run(ctx)
	}()
	return b
}

// stop ends it and gives its error. It may be called twice.
func (b *background) stop() error {
	b.cancel()
	<-b.ended
	return b.err
}

// wait waits for its own end and gives its error.
func (b *background) wait(ctx context.Context) error {
	select {
	case <-b.ended:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
