// Command sizing holds what replicator bench foretells against what then happens: it measures, seeds and
// catches up, on throw-away servers with several data sets, near and over a wire of some rate and
// distance (package wire).
//
// The program runs as a user runs it: replicator serve in the target's network namespace, replicator
// bench and seed in the source's. Over a wire it needs root, ip, tc and ethtool.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

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
	fmt.Fprintln(os.Stderr, "sizing:", err)
	stop()
	os.Exit(1)
}

// options are the flags.
type options struct {
	scales   []float64
	rates    []int // Mbit/s; 0 is no line
	delay    time.Duration
	runs     int
	duration time.Duration
	data     []string
	program  string
	json     string
	verbose  bool
}

// columns of the tables.
var columns = []measure.Column{
	{Title: "foretold s", Value: "foretold_seconds", Show: measure.Show("%.1f", 1)},
	{Title: "P95 s", Value: "p95_seconds", Show: measure.Show("%.1f", 1)},
	{Title: "took s", Value: "seconds", Show: measure.Show("%.1f", 1)},
	{Title: "off by", Value: "off", Show: measure.Show("%+.0f %%", 100)},
	{Title: "open foretold s", Value: "open_foretold_seconds", Show: measure.Show("%.1f", 1)},
	{Title: "open took s", Value: "open_seconds", Show: measure.Show("%.1f", 1)},
	{Title: "off by", Value: "open_off", Show: measure.Show("%+.0f %%", 100)},
	{Title: "bench s", Value: "bench_seconds", Show: measure.Show("%.0f", 1)},
}

func bench(ctx context.Context, args []string) error {
	var o options
	f := pflag.NewFlagSet("sizing", pflag.ContinueOnError)
	f.Float64SliceVar(&o.scales, "scale", []float64{0.2}, "sizes of the database; 1 is about a gigabyte with indexes")
	f.IntSliceVar(&o.rates, "mbit", []int{0, 100}, "rates of the wire in `Mbit/s`; 0: no wire, both ends in one process")
	f.DurationVar(&o.delay, "rtt", 20*time.Millisecond, "round trip of the wire")
	f.IntVar(&o.runs, "runs", 1, "times that everything is done")
	f.DurationVar(&o.duration, "duration", time.Minute, "how long replicator bench may take")
	f.StringSliceVar(&o.data, "data", []string{"clinical"}, "data sets: "+dataNames())
	f.StringVar(&o.program, "replicator", "bin/replicator", "the `program` to measure")
	f.StringVar(&o.json, "json", "", "write the report to a `file`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show what replicator bench says")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	r := measure.New("sizing", "bench/sizing "+strings.Join(args, " "))
	g := r.Group("What replicator bench foretold, and what then happened", "seconds")
	g.Fact("off by", "what it took over what was foretold, less one")
	for run := range o.runs {
		for _, data := range o.data {
			for _, scale := range o.scales {
				for _, rate := range o.rates {
					v, err := o.once(ctx, data, scale, rate, run)
					if err != nil {
						return fmt.Errorf("%s, scale %v, %d Mbit/s: %w", data, scale, rate, err)
					}
					g.Subject(name(data, scale, rate), measure.Ours, "replicator bench all, seed, catchup").Add(v)
				}
			}
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

func (o *options) validate() (err error) {
	for _, d := range o.data {
		if dataSets[d] == nil {
			return fmt.Errorf("no data set %q; there are %s", d, dataNames())
		}
	}
	if o.runs < 1 || slices.Min(o.rates) < 0 || slices.Min(o.scales) <= 0 || o.delay < 0 {
		return errors.New("runs must be at least 1, scale above 0, rate and rtt not negative")
	}
	o.program, err = filepath.Abs(o.program)
	return err
}

func name(data string, scale float64, rate int) string {
	if rate == 0 {
		return fmt.Sprintf("%s %g, near", data, scale)
	}
	return fmt.Sprintf("%s %g, %d Mbit/s", data, scale, rate)
}
