package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

func helpCommand() command {
	return command{
		name:     "help",
		args:     "[command]",
		short:    "this overview, or a command's help",
		long:     `Shows all commands, or the help of one.`,
		examples: "replicator help\nreplicator help seed",
		define: func(a *app, _ *pflag.FlagSet) action {
			return func(_ context.Context, args []string) error {
				if len(args) == 0 {
					return a.overview()
				}
				c, ok := find(args[0])
				if !ok {
					return usage("unknown command "+shown(args[0]), "see replicator help")
				}
				return c.help(a)
			}
		},
	}
}

// overview is what a newcomer reads first.
func (a *app) overview() error {
	var b strings.Builder
	b.WriteString("replicator moves a live PostgreSQL database to another server, exactly.\n\nUsage: replicator COMMAND [flags]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-9s %s\n", c.name, c.short)
	}
	b.WriteString(overviewEnd)
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

const overviewEnd = `
A move, from the first look to the end:
  replicator check   --source DSN --target DSN
  replicator seed    --source DSN --target DSN --dir DIR     (days ahead; runs until the window)
  replicator status  --dir DIR --watch                       (in a second terminal)
  replicator catchup --dir DIR --rehearse
  replicator catchup --dir DIR                               (in the window)
  replicator cleanup --dir DIR --yes

DSNs are URIs or keywords of libpq, without password: passwords come from ~/.pgpass, a service file,
or whole DSNs from REPLICATOR_SOURCE and REPLICATOR_TARGET. Try it on two throw-away servers:
replicator demo. See replicator COMMAND --help.

Exit codes: 0 ok, 1 unexpected, 2 usage, 3 something must be fixed first, 4 source, 5 target,
6 link, 7 the sides differ, 8 local store, 9 another engine holds the job, 10 position lost,
130 stopped; the same command resumes.
`
