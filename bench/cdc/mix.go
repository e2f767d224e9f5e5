package main

import (
	"context"
	"fmt"
	"time"

	"replicator/bench/clinical/workload"
	"replicator/bench/peer"
)

// mix is a kind of changes.
type mix struct {
	name, title string
	fill        func(context.Context, *world) error
	write       func(context.Context, *world) error // a backlog
	mark        string                              // a transaction that changes nothing
	quiet       string                              // what native replication needs to end with the same rows
	binary      bool                                // it may take the changes in binary, too
}

// rows of a backlog, at scale 1.
const fullBacklog = 600_000

// hospitalScale is the share of --scale that the clinical database has: large enough that changes
// meet different rows.
const hospitalScale = 0.3

func wards() mix {
	return mix{
		name: "clinical", title: "the wards' changes", binary: true,
		fill: func(ctx context.Context, w *world) error {
			return peer.Hospital(ctx, w.Source, sourceDB, hospitalScale*w.scale)
		},
		write: func(ctx context.Context, w *world) error { return w.ward(ctx, 0, int64(fullBacklog*w.scale), nil) },
		quiet: "ALTER TABLE record.note DISABLE TRIGGER note_revision", // ENABLE ALWAYS: it would count twice
		mark:  "UPDATE record.department SET floor = floor WHERE code = (SELECT min(code::text) FROM record.department)",
	}
}

// ward lets the wards write, at a rate of acts a second or as fast as it goes, until so many rows are
// written; rows 0: until ctx ends. stats may be nil, or is given what they wrote.
func (w *world) ward(ctx context.Context, rate float64, rows int64, stats *workload.Stats) error {
	wl, err := workload.New(workload.Options{DSN: w.Source.SocketDSN(sourceDB), Rate: rate, Seed: 1, Canary: "~", NoTruncate: true})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- wl.Run(ctx) }()
	tick := time.NewTicker(peer.Poll)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if stats != nil {
				*stats = wl.Stats()
			}
			return err
		case <-tick.C:
			if rows > 0 && wl.Stats().Rows >= rows {
				stop()
			}
		}
	}
}

// Each transaction of pgbench's makes four changes.
const (
	benchChanges = 4
	benchClients = 4
	benchScale   = 10 // a million accounts, a hundred tellers
)

func tpcb() mix {
	return mix{
		name: "tpcb", title: "pgbench's changes", binary: true,
		fill: func(ctx context.Context, w *world) error {
			if err := w.Source.Fresh(ctx, sourceDB); err != nil {
				return err
			}
			return w.bench(ctx, "-i", "-q", "-s", fmt.Sprint(benchScale))
		},
		write: func(ctx context.Context, w *world) error {
			each := int(fullBacklog*w.scale) / benchChanges / benchClients
			return w.bench(ctx, "-n", "-M", "prepared", "-c", fmt.Sprint(benchClients), "-t", fmt.Sprint(max(1, each)), "--random-seed=1")
		},
		mark: "UPDATE public.pgbench_branches SET bbalance = bbalance WHERE bid = 1",
	}
}

func (w *world) bench(ctx context.Context, args ...string) error {
	t := peer.Tool{Logs: w.Logs}
	return t.Run(ctx, nil, append(append([]string{w.Source.Client("pgbench")}, args...), w.Source.SocketDSN(sourceDB))...)
}
