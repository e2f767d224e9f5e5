package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"replicator/bench/measure"
	"replicator/bench/peer"
)

func main() { command().Main() }

// command is the benchmark as a program.
func command() *measure.Command {
	o := &options{}
	c := &measure.Command{
		Name: "cdc", Columns: columns, Define: o.define, Validate: o.validate,
		Scenarios: []measure.Scenario{
			{Name: "clinical", Run: func(ctx context.Context, r *measure.Report) error { return o.drains(ctx, r, wards()) }},
			{Name: "tpcb", Run: func(ctx context.Context, r *measure.Report) error { return o.drains(ctx, r, tpcb()) }},
			{Name: "lag", Run: o.lags},
		},
	}
	o.runs = c.Runs
	return c
}

// options are the flags.
type options struct {
	runs     func() int
	scale    float64
	subjects []string
	fast     bool
	logs     string
	program  string
	profile  string
	socket   bool
}

func (o *options) define(f *pflag.FlagSet) {
	f.Float64Var(&o.scale, "scale", 0.1, "size of it all; 1 is 600,000 rows of backlog, and 20 s for each measurement of the lag")
	f.StringSliceVar(&o.subjects, "subject", nil, "only `subjects` whose name has one of these words (default all)")
	f.BoolVar(&o.fast, "no-fsync", false, "servers without fsync and full_page_writes")
	f.BoolVar(&o.socket, "socket", false, "all read the source by its Unix-domain socket, as from its own machine; else by TCP, as from another")
	f.StringVar(&o.logs, "logs", "", "write what tools say to files in this `directory`")
	f.StringVar(&o.program, "replicator", "bin/replicator", "the `program` to measure")
	f.StringVar(&o.profile, "cpuprofile", "", "run the engine in this process and write its CPU profile to a `file`")
}

func (o *options) validate() (err error) {
	if o.scale <= 0 {
		return errors.New("scale must be positive")
	}
	o.program, err = filepath.Abs(o.program)
	return err
}

// columns of the tables.
var columns = []measure.Column{
	{Title: "seconds", Value: "seconds", Show: measure.Show("%.2f", 1)},
	{Title: "changes/s", Value: "changes_per_second", Show: measure.Show("%.0f", 1)},
	{Title: "p50 ms", Value: "lag_p50_seconds", Show: measure.Show("%.1f", 1e3)},
	{Title: "p99 ms", Value: "lag_p99_seconds", Show: measure.Show("%.1f", 1e3)},
	{Title: "max ms", Value: "lag_max_seconds", Show: measure.Show("%.0f", 1e3)},
	{Title: "beats", Value: "lag", Show: measure.Show("%.0f", 1)},
	{Title: "tool CPU s", Value: "tool_cpu_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "server CPU s", Value: "server_cpu_seconds"},
	{Title: "tool peak MB", Value: "tool_peak_bytes", Show: measure.Show("%.0f", 1e-6)},
	{Title: "others", Value: "other_share", Show: measure.Show("%.0f %%", 100)},
	{Title: "busy", Value: "machine_busy", Show: measure.Show("%.0f %%", 100)},
	{Title: "ours / this", Value: measure.OursOver, Show: measure.Show("%.2f", 1)},
}

// world is where changes come from and go to.
type world struct {
	*peer.Pair
	*options
	log *slog.Logger
	mix mix
}

// settings leave room for a slot for each run of each subject.
var settings = map[string]string{"max_replication_slots": "100", "max_wal_senders": "100", "max_connections": "200"}

// open starts both servers, fills the source, and copies it to a database of the target that runs of
// peers begin from.
func (o *options) open(ctx context.Context, r *measure.Report, x mix) (w *world, err error) {
	w = &world{options: o, mix: x, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if w.Pair, err = peer.StartPair(ctx, !o.fast, settings); err != nil {
		return nil, err
	}
	w.Logs = o.logs
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	w.Describe(ctx, r, o.program)
	w.log.Info("fill the source", "with", x.name)
	if err := x.fill(ctx, w); err != nil {
		return nil, err
	}
	if err := peer.CarryRoles(ctx, &peer.Tool{}, w.Source, w.Target, filepath.Join(w.Dir, "roles.sql")); err != nil {
		return nil, err
	}
	m, err := w.Move(ctx, sourceDB, baseDB)
	if err != nil {
		return nil, err
	}
	if err := m.DumpDirectory(ctx, 2); err != nil {
		return nil, err
	}
	return w, w.Target.Exec(ctx, baseDB, x.quiet)
}

// sourceDSN is how all read the source.
func (w *world) sourceDSN() string {
	if w.socket {
		return w.Source.SocketDSN(sourceDB)
	}
	return w.Source.DSN(sourceDB)
}

const (
	sourceDB = "clinic"
	baseDB   = "base" // on the target: what the source held at first
)
