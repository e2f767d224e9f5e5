package peer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"

	"replicator/bench/cluster"
	"replicator/bench/measure"
)

// Pair is a source and a target on this machine, with nothing between them.
type Pair struct {
	Source, Target *Server
	Dir            string // for files of tools
	Logs           string // a directory for what tools say, or ""
	settings       map[string]string
	durable        bool
}

// StartPair starts both servers, with settings over [Settings].
func StartPair(ctx context.Context, durable bool, settings map[string]string) (p *Pair, err error) {
	p = &Pair{settings: Settings(), durable: durable}
	maps.Copy(p.settings, settings)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.Dir, err = os.MkdirTemp("", "replicator-bench-*"); err != nil {
		return p, err
	}
	for _, s := range []**Server{&p.Source, &p.Target} {
		c, err := cluster.Start(ctx, cluster.Config{Version: Version, Settings: p.settings, Durable: durable})
		if err != nil {
			return p, fmt.Errorf("start a server: %w", err)
		}
		*s = &Server{c}
	}
	return p, nil
}

// Close ends both servers and removes what is theirs.
func (p *Pair) Close() error {
	var errs []error
	for _, s := range []*Server{p.Source, p.Target} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(p.Dir))...)
}

// Describe says with what is measured.
func (p *Pair) Describe(ctx context.Context, r *measure.Report, program string) {
	for name, args := range map[string][]string{
		"postgres":   {p.Source.Client("postgres"), "--version"},
		"pg_dump":    {p.Source.Client("pg_dump"), "--version"},
		"pgcopydb":   {"pgcopydb", "--version"},
		"replicator": {program, "version"},
	} {
		if v := measure.Version(ctx, args[0], args[1:]...); v != "" {
			r.Versions[name] = v
		}
	}
	durable := "on"
	if !p.durable {
		durable = "off"
	}
	r.Fact("servers", "two on this machine, shared_buffers %s, maintenance_work_mem %s, max_wal_size %s, autovacuum off, fsync %s",
		p.settings["shared_buffers"], p.settings["maintenance_work_mem"], p.settings["max_wal_size"], durable)
	r.Fact("CPU", "tool: programs without the servers, in which native replication runs; others: whatever else this machine did meanwhile, the benchmark included; a run with much of it was disturbed")
}

// Move begins a move of a database to a fresh one. No run pays for what another one wrote.
func (p *Pair) Move(ctx context.Context, from, to string) (m *Move, err error) {
	m = &Move{Tool: &Tool{Logs: p.Logs}, Source: p.Source, Target: p.Target, From: from, To: to, SourceDSN: p.Source.SocketDSN(from)}
	if m.Scratch, err = os.MkdirTemp(p.Dir, "move-*"); err != nil {
		return nil, err
	}
	if err := p.Target.Fresh(ctx, to); err != nil {
		return nil, err
	}
	return m, p.Checkpoint(ctx)
}

// Checkpoint has both servers write what is waiting.
func (p *Pair) Checkpoint(ctx context.Context) error {
	return errors.Join(p.Source.Exec(ctx, "postgres", "CHECKPOINT"), p.Target.Exec(ctx, "postgres", "CHECKPOINT"))
}

// End takes away what the move has made.
func (m *Move) End(ctx context.Context) error {
	return errors.Join(m.Target.Drop(ctx, m.To), os.RemoveAll(m.Scratch))
}

// Meter measures what is done by tools of the move and by both servers.
func (m *Move) Meter() Meter { return Meter{Tool: m.Tool, Servers: []*Server{m.Source, m.Target}} }
