package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"

	"replicator/replicator/catchup"
)

func versionCommand() command {
	return command{
		name:     "version",
		short:    "what this program is",
		long:     `Shows the version of this program, of Go, and the platform.`,
		examples: "replicator version\nreplicator version --json",
		define: func(a *app, _ *pflag.FlagSet) action {
			return func(context.Context, []string) error { return a.version() }
		},
	}
}

func (a *app) version() error {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if a.json {
		return a.writeJSON(map[string]any{"version": 1, "replicator": catchup.Tool(), "go": runtime.Version(), "platform": platform})
	}
	_, err := fmt.Fprintf(a.stdout, "replicator %s (%s, %s)\n", catchup.Tool(), runtime.Version(), platform)
	return err
}
