package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"replicator/bench/cluster"
	"replicator/bench/peer"
	"replicator/bench/wire"
	"replicator/replicator/check"
	"replicator/replicator/pg"
)

// settings are those of both servers: as a DBA would leave them for a move.
var settings = map[string]string{
	"shared_buffers": "256MB", "max_wal_size": "4GB", "maintenance_work_mem": "128MB",
	"max_locks_per_transaction": "2048", // thousands of tables are dumped in one transaction
}

// world is two servers, and the wire between them if there is one.
type world struct {
	*options
	tool                 peer.Tool
	dir                  string
	sourceDSN, targetDSN string
	link                 *wire.Link // nil: both ends in one process
	service              *peer.Daemon
	host                 string // at which the service is reached
	closers              []func() error
}

// open makes servers, wire and data.
func (o *options) open(ctx context.Context, data string, scale float64, rate, n int) (w *world, err error) {
	w = &world{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "bench-sizing-"); err != nil {
		return w, err
	}
	w.closers = append(w.closers, func() error { return os.RemoveAll(w.dir) })
	for _, dsn := range []*string{&w.sourceDSN, &w.targetDSN} {
		c, err := cluster.Start(ctx, cluster.Config{Settings: settings})
		if err != nil {
			return w, err
		}
		w.closers = append(w.closers, c.Close)
		if _, err := c.CreateDatabase(ctx, "emr"); err != nil {
			return w, err
		}
		*dsn = c.SocketDSN("emr")
	}
	if err := dataSets[data](ctx, w, scale, uint64(n)); err != nil {
		return w, fmt.Errorf("load the source: %w", err)
	}
	if err := run(ctx, w.sourceDSN, "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
		return w, err
	}
	if err := w.mend(ctx); err != nil {
		return w, err
	}
	if rate > 0 {
		return w, w.part(ctx, rate)
	}
	return w, nil
}

// close ends everything, the last thing made first.
func (w *world) close() error {
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	return errors.Join(errs...)
}

// mend runs the SQL of what replicator check says must be fixed, as a DBA would.
func (w *world) mend(ctx context.Context) error {
	report, err := check.Run(ctx, check.Options{Source: w.sourceDSN, Target: w.targetDSN})
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		if f.Level != check.Must || f.SQL == "" {
			continue
		}
		dsn := w.sourceDSN
		if f.Side == check.Target {
			dsn = w.targetDSN
		}
		if err := run(ctx, dsn, f.SQL); err != nil {
			return fmt.Errorf("mend %s: %w", f.ID, err)
		}
	}
	return nil
}

func run(ctx context.Context, dsn string, statements ...string) error {
	c, err := pg.Connect(ctx, pg.Config{DSN: dsn, Name: "bench", Settings: map[string]string{"search_path": "public, pg_catalog"}})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, sql := range statements {
		if err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// serviceAddress is where replicator serve listens at the target's site.
const serviceAddress = wire.TargetIP + ":7432"

// part puts the two ends into sites of their own.
func (w *world) part(ctx context.Context, mbit int) error {
	wr, err := wire.Lay(ctx)
	if err != nil {
		return fmt.Errorf("lay the wire: %w", err)
	}
	w.closers = append(w.closers, func() error { return wr.Remove(context.WithoutCancel(ctx)) })
	if err := wr.Shape(ctx, mbit); err != nil {
		return err
	}
	w.link = &wire.Link{Wire: wr, Mbit: mbit, RTT: w.delay}
	if err := w.keys(ctx); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	args := append([]string{w.program, "serve", "--target", w.targetDSN, "--listen", serviceAddress, "--dir", filepath.Join(w.dir, "serve")}, w.certificates("target")...)
	if w.service, err = w.tool.Start(ctx, wr.Target.Place(), args...); err != nil {
		return err
	}
	w.closers = append(w.closers, w.service.Stop)
	if w.host, err = w.link.Far(ctx, serviceAddress); err != nil {
		return err
	}
	w.closers = append(w.closers, func() error { w.link.Close(); return nil })
	return w.listens(ctx)
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

// listens returns when the service does.
func (w *world) listens(ctx context.Context) error {
	return peer.Until(ctx, 20*time.Millisecond, func() (bool, error) {
		if err := w.service.Ended(); err != nil {
			return false, err
		}
		c, err := wire.Dial(ctx, w.link.Target, serviceAddress)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return false, nil
		}
		if err == nil {
			err = c.Close()
		}
		return err == nil, err
	})
}

// place is the site of the source.
func (w *world) place() peer.Place {
	if w.link == nil {
		return nil
	}
	return w.link.Source.Place()
}

// sides are the flags that say where source and target are.
func (w *world) sides() []string {
	args := []string{"--source", w.sourceDSN}
	if w.link == nil {
		return append(args, "--target", w.targetDSN)
	}
	return append(append(args, "--target-host", w.host), w.certificates("source")...)
}
