package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	syscall.Umask(0o022) // the servers' user enters our directories
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := bench(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wan:", err)
		stop()
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	scenarios, subjects []string
	rates               []int
	rtts                []time.Duration
	runs                int
	scale               float64
	quick, fast         bool
	json, logs          string
	program             string
	outage              time.Duration
	backlog             int64
}

// scaleOfGoal gives the 459 MB of rows for which issue and goals were written.
const scaleOfGoal = 0.355

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := pflag.NewFlagSet("wan", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringSliceVar(&o.scenarios, "scenario", names(scenarios), "parts to run")
	f.StringSliceVar(&o.subjects, "subject", nil, "only `subjects` whose name has one of these words (default all)")
	f.IntSliceVar(&o.rates, "rate", []int{100, 1000}, "`Mbit/s` of the wire in scenario move")
	f.DurationSliceVar(&o.rtts, "rtt", []time.Duration{0}, "round trips in scenario move")
	f.IntVar(&o.runs, "runs", 3, "times that every subject moves the database")
	f.Float64Var(&o.scale, "scale", scaleOfGoal, "size of the clinical database; 1 is 1.5 GB with indexes")
	f.BoolVar(&o.quick, "quick", false, "small and once, for a look in three minutes")
	f.BoolVar(&o.fast, "no-fsync", false, "servers without fsync and full_page_writes")
	f.StringVar(&o.json, "json", "", "write the report to a `file`")
	f.StringVar(&o.logs, "logs", "", "write what tools say to files in this `directory`")
	f.StringVar(&o.program, "replicator", "bin/replicator", "the `program` to measure")
	f.DurationVar(&o.outage, "outage", time.Minute, "how long the link is away in scenario cut")
	f.Int64Var(&o.backlog, "backlog", 200_000, "`rows` of the backlog in scenario drain")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.makeQuick(f)
	}
	if o.program, err = filepath.Abs(o.program); err != nil {
		return o, err
	}
	return o, o.validate()
}

// makeQuick changes what was not given.
func (o *options) makeQuick(f *pflag.FlagSet) {
	given := func(name string) bool { return f.Changed(name) }
	if !given("runs") {
		o.runs = 1
	}
	if !given("scale") {
		o.scale = 0.05
	}
	if !given("rate") {
		o.rates = []int{100}
	}
	if !given("outage") {
		o.outage = 5 * time.Second
	}
	if !given("backlog") {
		o.backlog = 40_000
	}
}

func (o *options) validate() error {
	for _, s := range o.scenarios {
		if !slices.Contains(names(scenarios), s) {
			return fmt.Errorf("no scenario %q; there are %s", s, strings.Join(names(scenarios), ", "))
		}
	}
	if o.runs < 1 || o.scale < 0 || slices.Min(o.rates) < 1 || slices.Min(o.rtts) < 0 {
		return errors.New("runs and rate must be at least 1, scale and rtt not negative")
	}
	return nil
}

// bench runs the scenarios and reports, also when one fails: what was measured before stays true.
func bench(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	w, err := openWorld(ctx, log, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(context.WithoutCancel(ctx))) }()
	r := measure.New("wan", "bench/wan "+strings.Join(args, " "))
	w.describe(ctx, r, o)
	for _, s := range scenarios {
		if slices.Contains(o.scenarios, s.name) && err == nil {
			if err = s.run(ctx, w, r, o); err != nil {
				err = fmt.Errorf("scenario %s: %w", s.name, err)
			}
		}
	}
	return errors.Join(err, publish(r, o, stdout))
}

func publish(r *measure.Report, o options, stdout io.Writer) error {
	err := r.WriteText(stdout, columns)
	if o.json != "" {
		err = errors.Join(err, r.WriteFile(o.json))
	}
	return err
}

// scenario is a question.
type scenario struct {
	name string
	run  func(context.Context, *world, *measure.Report, options) error
}

var scenarios = []scenario{
	{"move", compareMoves},
	{"distance", compareDistances},
	{"drain", compareDrains},
	{"cut", compareOutages},
}

func names(all []scenario) (names []string) {
	for _, s := range all {
		names = append(names, s.name)
	}
	return names
}
