package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"replicator/replicator"
	"replicator/replicator/status"
)

func cleanupCommand() command {
	return command{
		name:  "cleanup",
		short: "remove slot, publication, our schema on the target, local state",
		long: `
Lists what a job has left on both sides and here; with --yes it removes it. The data on both sides
stays. Reports in the state directory go with it: keep them elsewhere first.`,
		examples: `
replicator cleanup --dir /var/lib/replicator/emr          # shows what would go
replicator cleanup --dir /var/lib/replicator/emr --yes`,
		define: defineCleanup,
	}
}

func defineCleanup(a *app, f *pflag.FlagSet) action {
	var dsn connections
	var o replicator.CleanupOptions
	var key keyFile
	var yes bool
	defineDir(a, f, &o.Dir)
	key.define(a, f)
	dsn.defineFar(a, f)
	f.BoolVar(&yes, "yes", false, "do it")
	return func(ctx context.Context, _ []string) error {
		o.Source, o.Target, o.Link = dsn.getFar()
		o.KeyFile, o.Logger = key.get(), a.logger()
		plan, err := replicator.CleanupPlan(ctx, o)
		if err != nil {
			return err
		}
		if !a.json {
			if _, err := fmt.Fprint(a.stdout, planText(plan, yes)); err != nil {
				return fmt.Errorf("write the plan: %w", err)
			}
		}
		if yes {
			if err := replicator.Cleanup(ctx, o); err != nil {
				return err
			}
		}
		return a.cleaned(plan, yes)
	}
}

func planText(plan []string, yes bool) string {
	var b strings.Builder
	b.WriteString(map[bool]string{false: "Would remove:\n", true: "Removing:\n"}[yes])
	for _, what := range plan {
		fmt.Fprintf(&b, "  %s\n", status.Printable(what))
	}
	return b.String()
}

// cleaned says how it ended.
func (a *app) cleaned(plan []string, yes bool) error {
	if a.json {
		return a.writeJSON(struct {
			Version int      `json:"version"`
			Items   []string `json:"items"`
			Removed bool     `json:"removed"`
		}{1, plan, yes})
	}
	_, err := fmt.Fprintln(a.stdout, map[bool]string{false: "Nothing was removed; --yes does it.", true: "Removed."}[yes])
	return err
}
