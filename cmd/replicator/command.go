package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// command is a subcommand: what --help says, the flags, and what to do.
type command struct {
	name     string
	args     string // positional arguments, as in the usage line
	short    string
	long     string
	examples string
	// define adds the command's flags and returns what runs once they are parsed.
	define func(*app, *pflag.FlagSet) action
}

// action is a command with its flags set. args are as many as command.args names.
type action func(ctx context.Context, args []string) error

// commands are in the order in which a DBA meets them.
func commands() []command {
	return []command{
		checkCommand(), benchCommand(), sqlCommand(), seedCommand(), serveCommand(), keysCommand(), statusCommand(), setCommand(), verifyCommand(), resyncCommand(), catchupCommand(), cleanupCommand(),
		reportCommand(), demoCommand(), versionCommand(), helpCommand(),
	}
}

func find(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// flags is a set with the command's flags and the common ones.
func (c command) flags(a *app) (*pflag.FlagSet, action) {
	f := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SortFlags = false
	f.SetNormalizeFunc(alias)
	do := c.define(a, f)
	a.common(f)
	return f, do
}

// aliases are names that other tools have taught people for our flags.
var aliases = map[string]string{"tables": "table", "slot": "slot-name", "table-jobs": "jobs"}

func alias(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if ours, ok := aliases[name]; ok {
		name = ours
	}
	return pflag.NormalizedName(name)
}

func (c command) run(ctx context.Context, a *app, args []string) error {
	f, do := c.flags(a)
	if err := f.Parse(args); err != nil {
		return usage(flagError(err), "see replicator "+c.name+" --help")
	}
	if f.Changed("help") {
		return c.help(a)
	}
	if err := c.checkArgs(f.Args()); err != nil {
		return err
	}
	return do(ctx, f.Args())
}

// checkArgs counts: [x] may be left out, x must be there.
func (c command) checkArgs(args []string) error {
	names := strings.Fields(c.args)
	hint := "see replicator " + c.name + " --help"
	if len(args) > len(names) {
		return usage(fmt.Sprintf("%s does not take the argument %s", c.name, shown(args[len(names)])), hint)
	}
	if missing := names[len(args):]; len(missing) > 0 && !strings.HasPrefix(missing[0], "[") {
		return usage(fmt.Sprintf("%s needs an argument: %s", c.name, missing[0]), hint)
	}
	return nil
}

// help is what --help shows.
func (c command) help(a *app) error {
	f, _ := c.flags(a)
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s\n\nFlags:\n%s", strings.TrimSpace("replicator "+c.name+" "+c.args)+" [flags]",
		strings.TrimSpace(c.long), flagText(f))
	fmt.Fprintf(&b, "\nExamples:\n%s\n", indent(c.examples))
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

// flagText is pflag's list without what it adds to switches.
func flagText(f *pflag.FlagSet) string {
	const added = "[=true|false]"
	return strings.ReplaceAll(f.FlagUsagesWrapped(100), added, strings.Repeat(" ", len(added)))
}

func indent(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			lines[i] = "  " + l
		}
	}
	return strings.Join(lines, "\n")
}
