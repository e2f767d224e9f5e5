package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/bench/wire"
)

// serviceAddress is where replicator serve listens at the target's site.
const serviceAddress = wire.TargetIP + ":7432"

// ours is replicator over the link: serve at the target's site, seed at the source's.
func ours() subject {
	return subject{
		name: "replicator", role: measure.Ours,
		how:     "replicator serve at the target's site; seed --until consistent --no-key full at the source's",
		prepare: serve, move: seed, clean: leave,
	}
}

// keys makes certificates for both sites.
func (w *world) keys(ctx context.Context) error {
	err := wire.Run(ctx, w.program, "keys", "init", "--dir", w.keyDir())
	for role, host := range map[string]string{"source": wire.SourceIP, "target": wire.TargetIP} {
		if err == nil {
			err = wire.Run(ctx, w.program, "keys", "issue", "--dir", w.keyDir(), "--role", role, "--host", host)
		}
	}
	return err
}

func (w *world) keyDir() string { return filepath.Join(w.dir, "keys") }

// certificates are the flags for a role.
func (w *world) certificates(role string) []string {
	in := func(name string) string { return filepath.Join(w.keyDir(), name) }
	return []string{"--cert", in(role + ".crt"), "--key", in(role + ".key"), "--ca", in("ca.crt")}
}

// serve starts the target end and returns when it listens.
func serve(ctx context.Context, m *move) (err error) {
	args := append([]string{m.program, "serve", "--target", m.TargetDSN(), "--listen", serviceAddress,
		"--dir", filepath.Join(m.Scratch, "target")}, m.certificates("target")...)
	if m.service, err = m.Start(ctx, m.ToPlace, args...); err != nil {
		return err
	}
	if m.host, err = m.link.Far(ctx, serviceAddress); err != nil {
		return err
	}
	return peer.Until(ctx, peer.Poll, func() (bool, error) {
		if err := m.service.Ended(); err != nil {
			return false, err
		}
		c, err := wire.Dial(ctx, m.target.ns, serviceAddress)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return false, nil
		}
		if err == nil {
			err = c.Close()
		}
		return err == nil, err
	})
}

// sides are the flags that say where source and target are.
func (m *move) sides() []string {
	args := []string{"--source", m.Source.SocketDSN(m.From), "--dir", m.jobDir()}
	if m.host == "" {
		return append(args, "--target", m.TargetDSN())
	}
	args = append(args, "--target-host", m.host, "--target-database", m.To)
	return append(args, m.certificates("source")...)
}

func (m *move) jobDir() string { return filepath.Join(m.Scratch, "source") }

// seedArgs copy all tables, also those without key.
func (m *move) seedArgs(args ...string) []string {
	return append(append([]string{m.program, "seed", "--no-key", "full"}, m.sides()...), args...)
}

// seed moves everything, up to the consistent point.
func seed(ctx context.Context, m *move) error {
	err := m.Run(ctx, m.FromPlace, m.seedArgs("--until", "consistent")...)
	return errors.Join(err, m.service.Ended())
}

// leave ends the engine, removes the job on both sides, and ends the service.
func leave(ctx context.Context, m *move) error {
	m.watcher.Close()
	err := errors.Join(m.Target.StartIfDown(ctx), m.engine.Stop())
	if _, there := os.Stat(m.jobDir()); there == nil {
		err = errors.Join(err, m.Run(ctx, m.FromPlace, append([]string{m.program, "cleanup", "--yes"}, m.sides()...)...))
	}
	return errors.Join(err, m.service.Stop())
}
