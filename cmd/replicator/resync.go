package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"replicator/replicator"
	"replicator/replicator/status"
)

func resyncCommand() command {
	return command{
		name:  "resync",
		short: "take tables through again after a statement that changed them",
		long: `
Takes tables of a job through again, as after an ALTER TABLE on the source at which the job has
stopped, and leaves all others alone. On the target the tables go and are made as the source has them
now, with their indexes, constraints, views and the foreign keys that point to them; their rows are
read, each table under one snapshot; then the job follows as before. Meanwhile changes are kept, and
the other tables stand still.

No seed may run on the state directory meanwhile. Killed anywhere, the same command goes on, and so
does seed. Partitions and heirs whose columns have changed come with their whole tree, and so do tables
with values such as regclass, which name other tables by numbers of the target's. A table that was
dropped goes from the target as well; one that was made again under its name is copied at the fence.`,
		examples: `
replicator resync --dir /var/lib/replicator/emr --table record.patient
replicator resync --dir /var/lib/replicator/emr --table 'ed.visit_*,ed.bed'`,
		define: defineResync,
	}
}

func defineResync(a *app, f *pflag.FlagSet) action {
	var dsn connections
	var key keyFile
	var o replicator.ResyncOptions
	defineDir(a, f, &o.Dir)
	dsn.defineFar(a, f)
	key.define(a, f)
	f.VarP(patterns{&o.Tables}, "table", "t", "tables that match these `patterns`, with commas between")
	return func(ctx context.Context, _ []string) error {
		o.Source, o.Target, o.Link = dsn.getFar()
		o.KeyFile, o.Logger = key.get(), a.logger()
		done, err := replicator.Resync(ctx, o)
		if err != nil {
			return err
		}
		if a.json {
			return a.writeJSON(map[string]any{"version": 1, "tables": done})
		}
		_, err = fmt.Fprint(a.stdout, resyncedText(done))
		return err
	}
}

// resyncedText is a line a table.
func resyncedText(done []replicator.Resynced) string {
	var b strings.Builder
	for _, r := range done {
		what := fmt.Sprintf("%s rows, follows", status.Count(r.Rows))
		switch {
		case r.Gone:
			what = "gone, from the target as well"
		case r.Late:
			what = "made anew, copied at the fence"
		case r.Waits:
			what = "planned anew, copied by seed"
		}
		fmt.Fprintf(&b, "%s: %s\n", status.Printable(r.Table), what)
	}
	return b.String()
}
