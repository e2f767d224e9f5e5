package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"replicator/bench/measure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := bench(ctx, os.Args[1:])
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "verify:", err)
	stop()
	os.Exit(1)
}

// options are the flags.
type options struct {
	scenarios []string
	runs      int
	scale     float64
	sessions  int
	keys      []int
	json      string
}

// columns of the tables.
var columns = []measure.Column{
	{Title: "seconds", Value: "seconds", Show: measure.Show("%.2f", 1)},
	{Title: "MB/s", Value: "bytes_per_second", Show: measure.Show("%.0f", 1e-6)},
	{Title: "rows/s", Value: "rows_per_second", Show: measure.Show("%.0f", 1)},
	{Title: "of limit", Value: "of_limit", Show: measure.Show("%.0f %%", 100)},
	{Title: "compare s", Value: "compare_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "full compare s", Value: "full_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "of small", Value: "versus_small", Show: measure.Show("%.2f", 1)},
}

func bench(ctx context.Context, args []string) error {
	var o options
	f := pflag.NewFlagSet("verify", pflag.ContinueOnError)
	f.StringSliceVar(&o.scenarios, "scenario", []string{"read", "fence"}, "parts to run")
	f.IntVar(&o.runs, "runs", 3, "times that everything is measured")
	f.Float64Var(&o.scale, "scale", 0.3, "size of the clinical database; 1 is 1.5 GB with indexes")
	f.IntVar(&o.sessions, "sessions", 2, "sessions that read one side")
	f.IntSliceVar(&o.keys, "keys", []int{10_000}, "rows that change in scenario fence")
	f.StringVar(&o.json, "json", "", "write the report to a `file`")
	if err := f.Parse(args); err != nil {
		return err
	}
	r := measure.New("verify", "bench/verify "+strings.Join(args, " "))
	known := map[string]func(context.Context, *measure.Report, options) error{"read": read, "fence": fence}
	for _, name := range o.scenarios {
		scenario, ok := known[name]
		if !ok {
			return fmt.Errorf("no scenario %q: there are read and fence", name)
		}
		if err := scenario(ctx, r, o); err != nil {
			return fmt.Errorf("scenario %s: %w", name, err)
		}
	}
	if err := r.WriteText(os.Stdout, columns); err != nil {
		return err
	}
	if o.json == "" {
		return nil
	}
	return r.WriteFile(o.json)
}
