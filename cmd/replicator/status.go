package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"replicator/replicator"
	"replicator/replicator/status"
)

func statusCommand() command {
	return command{
		name:  "status",
		short: "progress, rates, lag, ETA, last error",
		long: `
Asks the engine that runs on the state directory, or reads what the last one left there. Sizes are
as PostgreSQL has them: 1 kB is 1024 bytes. The JSON shape is in docs/status.md.

With --watch it looks again and again until the target is open: a screen on a terminal, a line each
time elsewhere, with --json a JSON document a line.`,
		examples: `
replicator status --dir /var/lib/replicator/emr
replicator status --watch
replicator status --json | jq -r .phase`,
		define: defineStatus,
	}
}

// clearScreen empties a terminal, its scroll-back left alone.
const clearScreen = "\x1b[H\x1b[2J"

func defineStatus(a *app, f *pflag.FlagSet) action {
	var dir string
	var watch bool
	var every time.Duration
	var key keyFile
	defineDir(a, f, &dir)
	key.define(a, f)
	f.BoolVarP(&watch, "watch", "w", false, "go on showing it")
	f.DurationVar(&every, "interval", 2*time.Second, "how often --watch looks")
	return func(ctx context.Context, _ []string) error {
		read := func(ctx context.Context) (status.Status, error) { return replicator.ReadStatus(ctx, dir, key.get()) }
		if watch {
			if every <= 0 {
				return usage("--interval must be more than nothing", "")
			}
			return status.Watch(ctx, every, read, a.watchLook)
		}
		s, err := read(ctx)
		if err != nil {
			return err
		}
		if a.json {
			return a.writeJSON(s)
		}
		return status.Text(a.stdout, s, a.tty)
	}
}

// watchLook shows one look of --watch.
func (a *app) watchLook(s status.Status) error {
	switch {
	case a.json:
		return a.writeLine(s)
	case !a.tty:
		_, err := fmt.Fprintf(a.stdout, "%s %s\n", s.At.UTC().Format(logTime), status.Line(s))
		return err
	}
	var b strings.Builder
	b.WriteString(clearScreen)
	if err := status.Text(&b, s, true); err != nil {
		return err
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}
