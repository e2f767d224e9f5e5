package main

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"replicator/replicator"
	"replicator/replicator/link"
	"replicator/replicator/status"
)

func seedCommand() command {
	return command{
		name:  "seed",
		short: "copy, then follow; resumes by itself",
		long: `
Moves the schema, copies all rows in parallel, builds indexes and constraints, and then follows the
source until it is told to stop. The source stays in use. SIGTERM or Ctrl-C stop it in good order
(exit code 130); the same command goes on where it was, and so it does after a crash of anything.

Run check first. Progress is shown on stderr, and by replicator status in a second terminal.`,
		examples: `
replicator seed --source 'service=emr_old' --target 'service=emr_new' --dir /var/lib/replicator/emr
replicator seed --dir /var/lib/replicator/emr                 # goes on with it
replicator seed ... --priority 'ed.*,record.patient' -j 8     # the emergency department first
replicator seed ... --exclude-schema 'tmp*' --until consistent
replicator seed --source 'service=emr_old' --target-host new.example:7432 \
          --cert source.crt --key source.key --ca ca.crt`,
		define: defineSeed,
	}
}

func defineSeed(a *app, f *pflag.FlagSet) action {
	var dsn connections
	var o replicator.Options
	var key keyFile
	dsn.defineFar(a, f)
	defineDir(a, f, &o.Dir)
	key.define(a, f)
	f.IntVarP(&o.Jobs, "jobs", "j", 0, "sessions that copy (default one a processor, 4 at most)")
	f.IntVar(&o.IndexJobs, "index-jobs", 0, "sessions that build indexes (default as many as copy)")
	defineSelection(f, &o.Select)
	f.Var(patterns{&o.Priority}, "priority", "tables that match these `patterns` first, in this order, with commas between")
	f.Var(newChoice(&o.NoKey, "late", "late", "full"), "no-key", "tables without key: `late|full`: copied at the fence, or followed with REPLICA IDENTITY FULL")
	defineObjects(f, &o.LargeObjects)
	f.Var(newChoice(&o.DDL, "", "stop", "replicate"), "ddl", "statements that change a table: `stop|replicate`: end the job, or carry those that can be carried exactly; needs event triggers on the source, see sql (default stop; kept for later runs)")
	f.Var(newChoice(&o.Confirm, "synced", "synced", "applied"), "confirm", "when the source may forget WAL: `synced|applied`: it is safe on this disk, or applied on the target")
	f.BoolVar(&o.Reuse, "reuse", false, "the target holds rows already, as a restored backup: compare, and copy only what differs; an existing job begins anew with what the target has if its slot is lost")
	f.Var(newChoice(&o.Streaming, "", "on", "off"), "streaming", "large transactions: `on|off`: come while they run, or at their commit, until then spilled on the source (default on; kept for later runs)")
	f.Var(newChoice(&o.Until, "", "copied", "consistent"), "until", "end there: `copied|consistent` (default: follow)")
	f.StringVar(&o.Slot, "slot-name", "", "`name` of the replication slot (default derived from the database's)")
	f.StringVar(&o.Publication, "publication", "", "`name` of the publication (default the slot's)")
	f.StringVar(&o.Name, "job", "", "`name` of a new job, as certificates may be bound to it (default random)")
	defineTablespaces(f, &o.Tablespaces)
	f.StringVar(&o.Acknowledge, "acknowledge", "", "what will not be on the target as on the source is known: `digest` of the manifest, see check, or all")
	f.Var(size{&o.LogBudget}, "log-budget", "most `bytes` of change log on this disk, as in 200GB; 0 is no limit")
	streams, compress := 0, ""
	f.IntVar(&streams, "streams", link.DefaultStreams, "data connections to --target-host")
	f.Var(newChoice(&compress, "", "auto", "off", "fastest", "default"), "compress", "rows on their way to --target-host: `auto|off|fastest|default`: auto measures what holds them up")
	f.StringVar(&o.MaxRate, "max-rate", "", "most bytes on the wire to --target-host, or with --target of rows that are read while they are copied: `rate` as 40MB/s, 300Mbit/s, off, or by time of day 40MB/s@07:00-20:00,200MB/s@20:00-07:00")
	return func(ctx context.Context, _ []string) error {
		o.Source, o.Target, o.Link = dsn.getFar()
		o.Link.Streams, o.Link.Compress = streams, compress
		o.KeyFile, o.Logger = key.get(), a.logger()
		return seed(ctx, a, o)
	}
}

// seed runs the engine and shows how far it is.
func seed(ctx context.Context, a *app, o replicator.Options) error {
	p := &progress{a: a, log: o.Logger}
	o.OnTracker = func(t *status.Tracker) { p.begin(ctx, t) }
	err := replicator.Seed(ctx, o)
	last, opened := p.end()
	if err != nil || !opened {
		return err
	}
	if a.json {
		return a.writeLine(last)
	}
	if _, err := fmt.Fprintln(a.stdout, status.Line(last)); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
