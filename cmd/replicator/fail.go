package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// errorVersion is that of the JSON shape of errors.
const errorVersion = 1

// fail tells the user of err and gives the exit code. It is the only place where errors are shown:
// one line, a hint where there is one, and with --json a document on stdout, unless the command
// has put one there, which then tells of the error itself.
func (a *app) fail(ctx context.Context, err error) fault.Code {
	if err == nil {
		return fault.OK
	}
	f := catchup.NewFailure(err)
	stopped(ctx, err, f)
	f.Message, f.Hint = oneLine(f.Message), oneLine(f.Hint)
	fmt.Fprintf(a.stderr, "replicator: %s\n", f.Message)
	if f.Hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", f.Hint)
	}
	if a.json && !a.document {
		line := struct {
			Version int              `json:"version"`
			Error   *catchup.Failure `json:"error"`
		}{errorVersion, f}
		if err := a.writeLine(line); err != nil {
			fmt.Fprintf(a.stderr, "replicator: write the error as JSON: %v\n", err)
		}
	}
	return f.Code
}

// stopped makes the exit code 130 where a signal is why err came about, which may have gone through
// parts that take the end of a context for a failure of theirs.
func stopped(ctx context.Context, err error, f *catchup.Failure) {
	var signal interruption
	if !errors.As(context.Cause(ctx), &signal) {
		return
	}
	switch f.Code {
	case fault.Unexpected, fault.Source, fault.Target, fault.Link:
		if errors.Is(err, context.Canceled) {
			f.Code, f.Message, f.Hint = fault.Interrupted, signal.Error(), ""
		} else if f.Code == fault.Unexpected && errors.As(err, &signal) {
			f.Code = fault.Interrupted
		}
	}
}

// oneLine joins what errors.Join put on several.
func oneLine(s string) string {
	return status.Printable(strings.ReplaceAll(strings.TrimSpace(s), "\n", "; "))
}

// usage is an error of whoever typed the command.
func usage(message, hint string) error { return fault.New(fault.Usage, errors.New(message), hint) }

// plain is what may be repeated of a command line: anything else could be a DSN.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$`)

func shown(arg string) string {
	if plain.MatchString(arg) {
		return strconv.Quote(arg)
	}
	return "that was given"
}

// flagError says what is wrong with a flag. pflag would repeat the value.
func flagError(err error) string {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && plain.MatchString(unknown.GetSpecifiedName()):
		if unknown.GetSpecifiedShortnames() != "" {
			return "unknown flag -" + unknown.GetSpecifiedName()
		}
		return "unknown flag --" + unknown.GetSpecifiedName()
	case errors.As(err, &missing):
		return "--" + missing.GetFlag().Name + " needs a value"
	case errors.As(err, &invalid):
		return "--" + invalid.GetFlag().Name + " takes " + wanted(invalid.GetFlag().Value)
	}
	return "a flag that replicator does not know"
}

// wanted names what a flag takes.
func wanted(v pflag.Value) string {
	if c, ok := v.(*choice); ok {
		return "one of " + strings.Join(c.list, ", ")
	}
	switch v.Type() {
	case "int":
		return "a number"
	case "duration":
		return "a duration such as 90s or 30m"
	case "percent":
		return "a percentage such as 5%"
	case "size":
		return "a size such as 500MB or 20GB"
	case "bool":
		return "no value"
	}
	return "another value"
}

// wantsJSON looks for --json without parsing, for errors in the flags.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--json", "--json=true":
			return true
		case "--":
			return false
		}
	}
	return false
}
