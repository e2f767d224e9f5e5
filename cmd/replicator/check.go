package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"replicator/replicator/check"
	"replicator/replicator/fault"
	"replicator/replicator/sizing"
)

func checkCommand() command {
	return command{
		name:  "check",
		short: "can this database be moved, and what must be done first",
		long: `
Looks at both databases and changes neither. Shows what is ok, what is worth knowing and what must
be fixed, each with the SQL that mends it, and the plan: tables, sizes, keys, how each will be cut,
and how long the move is expected to take.

Where the sites are far apart and no machine reaches both databases, give --source alone at the one
site and --target alone at the other: each is checked for itself, and what takes both is listed.

Exit code 3 if something must be fixed.`,
		examples: `
replicator check --source 'service=emr_old' --target 'service=emr_new'
replicator check --json | jq '.findings[] | select(.level == "must fix")'
replicator check --source ... --target ... --schema ed --exclude-table 'ed.tmp_*'
replicator check --source 'service=emr_old' --dir /var/lib/replicator/emr    # at the source's site`,
		define: defineCheck,
	}
}

func defineCheck(a *app, f *pflag.FlagSet) action {
	var dsn connections
	var o check.Options
	dsn.define(a, f)
	defineSelection(f, &o.Select)
	f.StringVar(&o.Dir, "dir", "", "state `directory` that the job will have; its disk is looked at, and what bench has foretold there is told")
	f.IntVarP(&o.Jobs, "jobs", "j", 0, "sessions that will copy")
	f.StringVar(&o.Slot, "slot-name", "", "`name` of the slot that seed will make (default derived from the database's)")
	f.StringVar(&o.Publication, "publication", "", "`name` of the publication (default the slot's)")
	f.Var(newChoice(&o.NoKey, "late", "late", "full"), "no-key", "what becomes of tables without key: `late|full`, see seed")
	defineObjects(f, &o.LargeObjects)
	f.Var(newChoice(&o.DDL, "stop", "stop", "replicate"), "ddl", "what seed will do about statements that change a table: `stop|replicate`")
	defineTablespaces(f, &o.Tablespaces)
	f.BoolVar(&o.AcceptRisk, "accept-risk", false, "turn risks that you may take into notes")
	return func(ctx context.Context, _ []string) error {
		if o.Source, o.Target = dsn.get(); o.Source == "" && o.Target == "" {
			return usage("--source and --target are missing", "give them, or one to look at that side alone; or set REPLICATOR_SOURCE, REPLICATOR_TARGET")
		}
		o.Logger = a.logger()
		o.Foretold = foretold(&o)
		report, err := check.Run(ctx, o)
		if err != nil {
			return err
		}
		if a.json {
			err = a.writeJSON(report)
		} else {
			err = report.WriteText(a.stdout, a.tty)
		}
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		if report.MustFix() {
			return fault.New(fault.Preflight, errMustFix, "each finding names the SQL or the step that mends it")
		}
		return nil
	}
}

var errMustFix = errors.New("something must be fixed before this database can be moved")

// foretold is what replicator bench has left in the state directory.
func foretold(o *check.Options) *check.Foretold {
	if o.Dir == "" {
		return nil
	}
	k, err := sizing.Load(o.Dir)
	if err != nil {
		o.Logger.Warn("the forecast of replicator bench is not used", "error", err)
	}
	if k == nil {
		return nil
	}
	return &check.Foretold{Made: k.Made, Seed: k.Range, Open: k.Open}
}
