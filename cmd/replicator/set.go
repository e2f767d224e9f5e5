package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"replicator/replicator/control"
	"replicator/replicator/status"
)

func setCommand() command {
	return command{
		name:  "set",
		args:  "name=value",
		short: "change a setting of the engine while it runs",
		long: `
Changes a setting of the engine that runs on the state directory, at once and for later runs:

  max-rate   most bytes per second on the wire, or of rows read from the source, or off; see seed --max-rate
  compress   auto, off, fastest or default; see seed --compress`,
		examples: `
replicator set --dir /var/lib/replicator/emr max-rate=40MB/s
replicator set --dir /var/lib/replicator/emr max-rate=40MB/s@07:00-20:00,200MB/s@20:00-07:00
replicator set --dir /var/lib/replicator/emr max-rate=off`,
		define: defineSet,
	}
}

func defineSet(a *app, f *pflag.FlagSet) action {
	var dir string
	defineDir(a, f, &dir)
	return func(ctx context.Context, args []string) error {
		name, value, ok := strings.Cut(args[0], "=")
		if !ok {
			return usage("set takes name=value", "see replicator set --help")
		}
		err := control.Client(dir).Set(ctx, name, value)
		if errors.Is(err, control.ErrNotRunning) {
			return usage("no engine runs on this --dir", "start it with the flag of that name: replicator seed --"+status.Printable(name))
		}
		if err != nil {
			return err
		}
		if a.json {
			return a.writeJSON(map[string]any{"version": 1, "name": name, "value": value})
		}
		_, err = fmt.Fprintf(a.stdout, "%s is %s.\n", name, status.Printable(value))
		return err
	}
}
