package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/replicator"
)

// ours is replicator in process with both ends.
func ours() subject {
	return subject{
		name: "replicator", role: measure.Ours,
		how:   "replicator seed --until consistent --no-key full; setval, which else is the catch-up's",
		copy:  func(ctx context.Context, a *attempt) error { return errors.Join(a.seed(ctx), a.CarrySequences(ctx)) },
		clean: func(ctx context.Context, a *attempt) error { return a.job().Cleanup(ctx) },
	}
}

func (a *attempt) job() *peer.Job { return &peer.Job{Move: a.Move, Program: a.program} }

func (a *attempt) seed(ctx context.Context) error {
	if a.profile != "" {
		return a.profiled(ctx)
	}
	return a.job().Seed(ctx)
}

// profiled runs the engine in this process; its CPU then counts as others'.
func (a *attempt) profiled(ctx context.Context) (err error) {
	f, err := os.Create(a.profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return replicator.Seed(ctx, a.engine())
}

// engine is the job as the engine's package takes it.
func (a *attempt) engine() replicator.Options {
	return replicator.Options{Source: a.SourceDSN, Target: a.TargetDSN(), Dir: a.job().Dir(), NoKey: "full", Until: "consistent"}
}
