package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/source"
)

func catchupCommand() command {
	return command{
		name:  "catchup",
		short: "the window: fence, drain, finish, verify, open, report",
		long: `
Fences the source, applies all that it wrote, copies what changes do not carry (late and unlogged
tables, sequences), makes triggers and rules, compares both sides, opens the target and reports.
The running seed does it; where none runs, this command does it itself.

Until the target is opened every way out lifts the fence again: a gate or a comparison that fails,
the timeout, Ctrl-C, the end of this command. At no time do both sides take writes.

Before anybody is fenced every gate must be open; --rehearse shows them all, measures what it would
take, and changes nothing. The report is kept as JSON and HTML
below --report-dir, each signed (FILE.minisig) with a key of the job's own, or with --report-key;
replicator report verify checks them. Exit code 3 if a gate is closed, 7 if the sides differ.`,
		examples: `
replicator catchup --dir /var/lib/replicator/emr --rehearse
replicator catchup --dir /var/lib/replicator/emr --timeout 45m
replicator catchup --fence operator        # the applications are stopped by other means
replicator catchup --abort                 # lift the fence of an attempt that was killed`,
		define: defineCatchup,
	}
}

func defineCatchup(a *app, f *pflag.FlagSet) action {
	var dsn connections
	var o replicator.CatchupOptions
	var key keyFile
	var fence, verify, reports, signer string
	defineDir(a, f, &o.Dir)
	key.define(a, f)
	dsn.defineFar(a, f)
	f.Var(newChoice(&fence, "database", "database", "operator"), "fence", "who stops the writes: `database|operator`: replicator on the source, or you")
	f.Var(newChoice(&verify, "changed", "changed", "full", "late", "none"), "verify", "what is compared before the target opens: `changed|full|late|none`: of tables that verify has proved equal the rows that changed since, all others in full; all rows; tables copied at the fence; nothing")
	f.BoolVar(&o.Rehearse, "rehearse", false, "measure, change nothing")
	f.BoolVar(&o.Abort, "abort", false, "lift the fence of an interrupted attempt, nothing else")
	f.DurationVar(&o.Timeout, "timeout", 0, "give up and lift the fence after this `time`, as in 45m; 0 is no limit")
	defineGates(f, &o.Gates)
	f.StringVar(&o.Acknowledge, "acknowledge", "", "what has come to the manifest since the seed is known: its `digest`, as the refusal names it, or all")
	f.StringVar(&reports, "report-dir", "", "`directory` for the reports (default reports in --dir)")
	f.StringVar(&signer, "report-key", "", "sign the reports with your own key: `file` of minisign without password, or Ed25519 in PEM")
	return func(ctx context.Context, _ []string) error {
		if o.Abort && o.Rehearse {
			return usage("--abort and --rehearse exclude each other", "see replicator catchup --help")
		}
		own, err := loadSigner(signer)
		if err != nil {
			return err
		}
		o.Source, o.Target, o.Link = dsn.getFar()
		o.Fence, o.Verify = source.FenceMode(fence), catchup.Verify(verify)
		o.KeyFile, o.Operator, o.Logger = key.get(), a.operator(), a.logger()
		report, err := replicator.Catchup(ctx, o, a.tell)
		if report == nil {
			return a.aborted(o, err)
		}
		if own != nil {
			err = errors.Join(err, report.Sign(*own))
		}
		return errors.Join(err, a.report(report, reportDir(reports, o.Dir)))
	}
}

// defineGates adds the bounds at which gates close.
func defineGates(f *pflag.FlagSet, g *catchup.Gates) {
	f.Var(size{&g.MaxLag}, "max-lag", "do not begin with more `bytes` of WAL to apply (default 1GB)")
	f.DurationVar(&g.VerifiedWithin, "verified-within", 0, "do not begin unless verify has found every table equal within this `time`, as in 36h; 0 is no bound")
	f.DurationVar(&g.MaxTransactionAge, "max-transaction-age", catchup.DefaultTransactionAge, "do not begin while a transaction on the source is open that has written and is older than this `time`; below 0 is no bound")
	f.Var(size{&g.MaxLate}, "max-late", "do not begin with more `bytes` of tables to copy at the fence; 0 is no bound")
	f.Var(size{&g.MaxRetained}, "max-retained", "do not begin while the slot retains more `bytes` of WAL on the source (default 16GB)")
	f.Var(size{&g.MinFree}, "min-free", "do not begin with less `bytes` free on the disk of --dir, or of the target where that is known (default 1GB, and there room for late tables)")
}

// tell shows an event while the catch-up runs.
func (a *app) tell(e catchup.Event) {
	if a.logFormat == "json" {
		a.logger().Info("catchup", "step", e.Step, "state", e.State, "seconds", e.Seconds, "failed", e.Failed, "text", e.Text)
		return
	}
	fmt.Fprintln(a.stderr, oneLine(e.String()))
}

// aborted ends a catch-up that has no report, as --abort has none.
func (a *app) aborted(o replicator.CatchupOptions, err error) error {
	if err != nil || !o.Abort {
		return err
	}
	if a.json {
		return a.writeJSON(map[string]any{"version": 1, "fence": "lifted"})
	}
	_, err = fmt.Fprintln(a.stdout, "The fence is lifted: the source takes writes again.")
	return err
}
