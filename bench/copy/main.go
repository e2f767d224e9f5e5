package main

import (
	"context"
	"errors"
	"fmt"
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
		Name: "copy", Columns: columns, Define: o.define, Validate: o.validate,
		Scenarios: []measure.Scenario{
			{Name: "clinical", Run: o.clinical},
			{Name: "small", Asked: true, Run: o.small},
			{Name: "plan", Asked: true, Run: o.plan},
		},
	}
	o.runs = c.Runs
	return c
}

// options are the flags.
type options struct {
	runs         func() int
	scale        float64
	subjects     []string
	tables, many int
	fast         bool
	logs         string
	program      string
	profile      string
}

func (o *options) define(f *pflag.FlagSet) {
	f.Float64Var(&o.scale, "scale", 0.1, "size of the clinical database; 1 is 1.5 GB with indexes")
	f.StringSliceVar(&o.subjects, "subject", nil, "only `subjects` whose name has one of these words (default all)")
	f.IntVar(&o.tables, "tables", 5_000, "tables of scenario small")
	f.IntVar(&o.many, "planned-tables", 100_000, "tables of scenario plan")
	f.BoolVar(&o.fast, "no-fsync", false, "servers without fsync and full_page_writes")
	f.StringVar(&o.logs, "logs", "", "write what tools say to files in this `directory`")
	f.StringVar(&o.program, "replicator", "bin/replicator", "the `program` to measure")
	f.StringVar(&o.profile, "cpuprofile", "", "run the engine in this process and write its CPU profile to a `file`")
}

func (o *options) validate() (err error) {
	if o.scale < 0 || o.tables < 1 || o.many < 1 {
		return errors.New("scale must not be negative, and of tables there must be some")
	}
	o.program, err = filepath.Abs(o.program)
	return err
}

// columns of the tables.
var columns = []measure.Column{
	{Title: "seconds", Value: "seconds", Show: measure.Show("%.2f", 1)},
	{Title: "raw MB/s", Value: "raw_bytes_per_second", Show: measure.Show("%.1f", 1e-6)},
	{Title: "copy s", Value: "copy_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "index s", Value: "index_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "foreign key s", Value: "foreign_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "analyze s", Value: "analyze_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "tool CPU s", Value: "tool_cpu_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "tool CPU s/GB", Value: "tool_cpu_seconds_per_gb", Show: measure.Show("%.2f", 1)},
	{Title: "server CPU s", Value: "server_cpu_seconds"},
	{Title: "tool peak MB", Value: "tool_peak_bytes", Show: measure.Show("%.0f", 1e-6)},
	{Title: "others", Value: "other_share", Show: measure.Show("%.0f %%", 100)},
	{Title: "busy", Value: "machine_busy", Show: measure.Show("%.0f %%", 100)},
	{Title: "ours / this", Value: measure.OursOver, Show: measure.Show("%.2f", 1)},
}

// world is what a database is copied from and to.
type world struct {
	*peer.Pair
	*options
	log  *slog.Logger
	want peer.State
	rest peer.Rest
	raw  int64 // bytes of all rows in COPY's binary format
}

// sourceDB and targetDB are the databases; the latter is made anew for every run.
const sourceDB, targetDB = "clinic", "copied"

// open starts both servers and fills the source.
func (o *options) open(ctx context.Context, r *measure.Report, settings map[string]string, fill func(context.Context, *peer.Server) error) (w *world, err error) {
	w = &world{options: o, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
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
	if err := fill(ctx, w.Source); err != nil {
		return nil, fmt.Errorf("fill the source: %w", err)
	}
	return w, nil
}

// look takes down what the source has.
func (w *world) look(ctx context.Context) (err error) {
	if w.want, err = peer.ReadState(ctx, w.Source, sourceDB); err != nil {
		return err
	}
	if w.rest, err = peer.ReadRest(ctx, w.Source, sourceDB); err != nil {
		return err
	}
	w.raw, err = peer.RowBytes(ctx, w.Source, sourceDB, "binary")
	return err
}
