package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"replicator/replicator/fault"
)

// app is the world outside a command, and what every command has in common.
type app struct {
	stdout io.Writer
	stderr *console
	tty    bool // stdout is a terminal
	getenv func(string) string

	json      bool
	verbose   bool
	logFormat string
	document  bool // a JSON document is on stdout; there must not be a second one
}

// main runs one command line.
func (a *app) main(ctx context.Context, args []string) fault.Code {
	err := a.dispatch(ctx, args)
	a.json = a.json || wantsJSON(args) // which flags that are wrong leave unparsed
	a.stderr.setLine("")
	return a.fail(ctx, err)
}

// dispatch finds the command and runs it.
func (a *app) dispatch(ctx context.Context, args []string) error {
	if err := refusePasswords(args); err != nil {
		return err
	}
	if len(args) == 0 {
		return usage("no command given", "see replicator help")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-h", "--help":
		name, rest = "help", nil
	case "--version":
		name = "version"
	}
	c, ok := find(name)
	if !ok {
		return usage("unknown command "+shown(name), "see replicator help")
	}
	return c.run(ctx, a, rest)
}

// common defines the flags that every command has.
func (a *app) common(f *pflag.FlagSet) {
	f.BoolVar(&a.json, "json", false, "JSON on stdout")
	f.Var(newChoice(&a.logFormat, "text", "text", "json"), "log-format", "logs on stderr as `text|json`")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log every chunk and window, too")
	f.BoolP("help", "h", false, "this text")
}

// logger writes to stderr.
func (a *app) logger() *slog.Logger {
	level := slog.LevelInfo
	if a.verbose {
		level = slog.LevelDebug
	}
	if a.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: spelled}))
	}
	return slog.New(newTextHandler(a.stderr, level))
}

// writeJSON puts a document on stdout.
func (a *app) writeJSON(v any) error {
	a.document = true
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeLine puts one of many JSON documents on stdout, a line each.
func (a *app) writeLine(v any) error { return json.NewEncoder(a.stdout).Encode(v) }

// stateDir is where a job's state lies if --dir does not say.
func (a *app) stateDir() string {
	if dir := a.getenv("STATE_DIRECTORY"); dir != "" {
		dir, _, _ = strings.Cut(dir, ":") // systemd gives a list
		return dir
	}
	if dir := a.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "replicator")
	}
	if home := a.getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "replicator")
	}
	return ""
}
