package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/sizing"
	"replicator/replicator/sizing/forecast"
)

func benchCommand() command {
	return command{
		name:  "bench",
		args:  "all|source|target|network|path|cleanup",
		short: "how fast are source, link and target; how long will it take",
		long: `
Measures with your own data and says what the move will take: hours of pre-seed, minutes from the
fence to the opening, settings, and whether it fits into the night.

  all       everything below, and the forecast; network where there is a --target-host
  source    what COPY reads, what rows pack to, changes an hour; changes nothing
  target    what COPY, indexes and changes take, with made-up rows
  network   round trip, loss, and what the way to replicator serve carries, both ways
  path      samples of the real tables through the whole pipeline, and the forecast
  cleanup   removes what a killed measurement has left on the target

On the target rows go into the schema replicator_bench, which is removed at the end; nothing is made on
the source. It may run while people work, and before or beside a job; one at a time on each target.`,
		examples: `
replicator bench all --source 'service=emr_old' --target 'service=emr_new' --html bench.html
replicator bench all --source ... --target-host new.example:7432 --cert ... --window 19:00+10h
replicator bench source --source ... --watch 24h --dir /var/lib/replicator/emr    # by hour of the day
replicator bench path --source ... --target ... -j 4 --duration 15m
replicator bench cleanup --target ...`,
		define: defineBench,
	}
}

// benchFlags are those of all parts.
type benchFlags struct {
	a      *app
	dsn    connections
	o      sizing.Options
	html   string
	night  string
	job    string
	stream int
}

func defineBench(a *app, f *pflag.FlagSet) action {
	b := &benchFlags{a: a}
	b.dsn.defineFar(a, f)
	defineSelection(f, &b.o.Select)
	f.DurationVar(&b.o.Duration, "duration", sizing.DefaultDuration, "how long everything may take, as in `5m`; longer is surer")
	f.DurationVar(&b.o.Watch, "watch", 0, "source, all: count changes for so long, as in `24h`, by hour of the day; goes on with what --dir has")
	f.StringVar(&b.night, "window", "", "the hours in which the services stand still, as in `19:00+10h`: latest safe start and abort")
	f.StringVar(&b.html, "html", "", "also write the report as one page to `file`")
	f.IntVarP(&b.o.Jobs, "jobs", "j", 0, "sessions that will copy (default one a processor, 4 at most)")
	f.IntVar(&b.o.IndexJobs, "index-jobs", 0, "sessions that will build indexes (default as many as copy)")
	f.Var(newChoice(&b.o.NoKey, "late", "late", "full"), "no-key", "what becomes of tables without key: `late|full`, see seed")
	f.IntVar(&b.stream, "streams", 0, "data connections that the path uses to --target-host (default as seed)")
	f.StringVar(&b.job, "job", "", "`name` that the certificate is for, if it is for several jobs")
	defineDir(a, f, &b.o.Dir)
	return func(ctx context.Context, args []string) error {
		var way replicator.Link
		b.o.Source, b.o.Target, way = b.dsn.getFar()
		way.Streams = b.stream
		if b.night != "" {
			n, err := forecast.ParseNight(b.night)
			if err != nil {
				return usage("--window "+err.Error(), "")
			}
			b.o.Night = &n
		}
		b.o.Logger = a.logger()
		b.o.Tell = func(what string) { b.o.Logger.Info("bench", "now", what) }
		return b.run(ctx, args[0], way)
	}
}

func (b *benchFlags) run(ctx context.Context, what string, way replicator.Link) error {
	switch part := sizing.Part(what); part {
	case sizing.AllParts, sizing.SourcePart, sizing.TargetPart, sizing.NetworkPart, sizing.PathPart:
		if b.html != "" { // what cannot be written is better known before
			if err := writable(b.html); err != nil {
				return err
			}
		}
		report, err := replicator.Bench(ctx, part, b.o, way, b.job)
		if err != nil {
			return err
		}
		return b.show(report)
	case "cleanup":
		if err := replicator.BenchCleanup(ctx, b.o, way, b.job); err != nil {
			return err
		}
		if b.a.json {
			return b.a.writeJSON(map[string]any{"version": 1, "removed": true})
		}
		_, err := fmt.Fprintln(b.a.stdout, "nothing of replicator bench is on the target")
		return err
	}
	return usage("bench takes all, source, target, network, path or cleanup", "see replicator bench --help")
}

// show writes the report where it is wanted.
func (b *benchFlags) show(report *sizing.Report) error {
	if b.html != "" {
		if err := writePage(b.html, report.WriteHTML); err != nil {
			return err
		}
	}
	err := report.WriteText
	if b.a.json {
		err = report.WriteJSON
	}
	if err := err(b.a.stdout); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func writable(path string) error { return writePage(path, func(io.Writer) error { return nil }) }

func writePage(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.New(fault.Store, fmt.Errorf("write the page: %w", err), "give another file by --html")
	}
	if err := write(f); err != nil {
		f.Close()
		return fault.New(fault.Store, fmt.Errorf("write the page: %w", err), "give another file by --html")
	}
	return f.Close()
}
