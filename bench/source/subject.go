package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"replicator/bench/measure"
	"replicator/bench/peer"
)

// subject is one that copies and perhaps follows while the wards write.
type subject struct {
	name string
	role measure.Role
	how  string
	// copy returns once everything is copied, and, where follows, goes on following until end.
	copy    func(ctx context.Context, a *attempt) error
	follows bool
	end     func(ctx context.Context, a *attempt) error // may be nil
}

// attempt is one database being copied.
type attempt struct {
	*world
	*peer.Move
	engine *peer.Daemon // of ours
}

// jobs is how many sessions read, as the goal has it.
const jobs = 2

// subjects are ours, also at maxRate if there is one, and the peers.
func subjects(maxRate string) []subject {
	all := []subject{ours("replicator"), native(), {name: "nobody", role: measure.Reference, how: "the wards are alone"}}
	if _, err := exec.LookPath("pgcopydb"); err == nil {
		all = append(all, subject{
			name: "pgcopydb", role: measure.Peer, how: fmt.Sprintf("pgcopydb clone --table-jobs %d --index-jobs %d; it does not follow", jobs, jobs),
			copy: func(ctx context.Context, a *attempt) error { return a.PgCopyDB(ctx, jobs, jobs) },
		})
	}
	if maxRate != "" {
		capped := ours("capped replicator", "--max-rate", maxRate)
		capped.role = measure.Reference
		all = append(all, capped)
	}
	return all
}

func ours(name string, more ...string) subject {
	more = append([]string{"--jobs", fmt.Sprint(jobs)}, more...)
	return subject{
		name: name, role: measure.Ours, how: "replicator seed " + strings.Join(more, " ") + ", copying until it follows", follows: true,
		copy: func(ctx context.Context, a *attempt) (err error) {
			j := a.job()
			if a.engine, err = j.Start(ctx, nil, j.SeedArgs(more...)...); err != nil {
				return err
			}
			return a.engine.Follows(ctx, j.Dir())
		},
		end: func(ctx context.Context, a *attempt) error {
			return errors.Join(a.engine.Stop(), a.job().Cleanup(ctx))
		},
	}
}

func (a *attempt) job() *peer.Job { return &peer.Job{Move: a.Move, Program: a.program} }

func native() subject {
	return subject{
		name: "native", role: measure.Peer, follows: true,
		how: fmt.Sprintf("pg_restore of the whole schema but constraints NOT VALID; then CREATE SUBSCRIPTION, %d sync workers, all tables ready", jobs),
		// Without its keys it cannot apply what is written meanwhile.
		copy: func(ctx context.Context, a *attempt) error { return a.Subscribe(ctx, true) },
		end:  func(ctx context.Context, a *attempt) error { return a.Unsubscribe(ctx) },
	}
}
