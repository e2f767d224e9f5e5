package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"replicator/bench/measure"
	"replicator/bench/peer"
)

func main() { command().Main() }

// command is the benchmark as a program.
func command() *measure.Command {
	o := &options{}
	c := &measure.Command{
		Name: "source", Columns: columns, Define: o.define, Validate: o.validate,
		Scenarios: []measure.Scenario{{Name: "wards", Run: o.wards}},
	}
	o.runs = c.Runs
	return c
}

// options are the flags.
type options struct {
	runs     func() int
	scale    float64
	rate     float64
	follow   time.Duration
	subjects []string
	fast     bool
	logs     string
	program  string
	maxRate  string
}

func (o *options) define(f *pflag.FlagSet) {
	f.Float64Var(&o.scale, "scale", 0.1, "size of the clinical database; 1 is 1.5 GB with indexes")
	f.Float64Var(&o.rate, "rate", 60, "acts of the wards a `second`")
	f.DurationVar(&o.follow, "follow", 6*time.Second, "how long it is followed, and how long the wards are alone")
	f.StringSliceVar(&o.subjects, "subject", nil, "only `subjects` whose name has one of these words (default all)")
	f.BoolVar(&o.fast, "no-fsync", false, "servers without fsync and full_page_writes")
	f.StringVar(&o.logs, "logs", "", "write what tools say to files in this `directory`")
	f.StringVar(&o.maxRate, "max-rate", "", "measure replicator also with this cap on what it reads, a `rate` as seed --max-rate has it")
	f.StringVar(&o.program, "replicator", "bin/replicator", "the `program` to measure")
}

func (o *options) validate() (err error) {
	if o.scale < 0 || o.rate <= 0 || o.follow <= 0 {
		return errors.New("scale must not be negative, rate and follow must be positive")
	}
	o.program, err = filepath.Abs(o.program)
	return err
}

// columns of the tables.
var columns = []measure.Column{
	{Title: "seconds", Value: "seconds"},
	{Title: "acts", Value: "act", Show: measure.Show("%.0f", 1)},
	{Title: "p50 ms", Value: "act_p50_seconds", Show: measure.Show("%.1f", 1e3)},
	{Title: "p99 ms", Value: "act_p99_seconds", Show: measure.Show("%.1f", 1e3)},
	{Title: "max ms", Value: "act_max_seconds", Show: measure.Show("%.0f", 1e3)},
	{Title: "oldest snapshot s", Value: "snapshot_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "server CPU s", Value: "server_cpu_seconds"},
	{Title: "tool CPU s", Value: "tool_cpu_seconds"},
	{Title: "others", Value: "other_share", Show: measure.Show("%.0f %%", 100)},
	{Title: "busy", Value: "machine_busy", Show: measure.Show("%.0f %%", 100)},
	{Title: "ours / this", Value: measure.OursOver, Show: measure.Show("%.2f", 1)},
}

// world is a hospital at work.
type world struct {
	*peer.Pair
	*options
	log *slog.Logger
}

const sourceDB, targetDB = "clinic", "copied"

func (o *options) open(ctx context.Context, r *measure.Report) (w *world, err error) {
	w = &world{options: o, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if w.Pair, err = peer.StartPair(ctx, !o.fast, map[string]string{"max_sync_workers_per_subscription": strconv.Itoa(jobs)}); err != nil {
		return nil, err
	}
	w.Logs = o.logs
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	w.Describe(ctx, r, o.program)
	w.log.Info("fill the source", "scale", o.scale)
	if err := peer.Hospital(ctx, w.Source, sourceDB, o.scale); err != nil {
		return nil, err
	}
	return w, peer.CarryRoles(ctx, &peer.Tool{}, w.Source, w.Target, filepath.Join(w.Dir, "roles.sql"))
}
