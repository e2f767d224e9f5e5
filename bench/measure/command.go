package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Command is a benchmark as a program: scenarios, chosen by name, that fill a report.
type Command struct {
	Name      string
	Scenarios []Scenario
	Columns   []Column
	// Define adds flags to those that all have; nil adds none.
	Define func(*pflag.FlagSet)
	// Validate looks at them once they are parsed; nil takes them.
	Validate func() error

	runs int
	json string
}

// Scenario is a question.
type Scenario struct {
	Name string
	// Asked says that it runs only when it is asked for by name.
	Asked bool
	Run   func(ctx context.Context, r *Report) error
}

// Runs is how often every subject does its work.
func (c *Command) Runs() int { return c.runs }

// Main is the main function of the program.
func (c *Command) Main() {
	syscall.Umask(0o022) // the servers' user enters our directories
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := c.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", c.Name, err)
	stop()
	os.Exit(1)
}

// Run runs the scenarios and reports, also when one fails: what was measured before stays true.
func (c *Command) Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := pflag.NewFlagSet(c.Name, pflag.ContinueOnError)
	f.SetOutput(stderr)
	chosen := f.StringSlice("scenario", c.names(false), "parts to run, of "+strings.Join(c.names(true), ", "))
	f.IntVar(&c.runs, "runs", 3, "times that every subject does its work")
	f.StringVar(&c.json, "json", "", "write the report to a `file`, too")
	if c.Define != nil {
		c.Define(f)
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := c.validate(*chosen); err != nil {
		return err
	}
	r := New(c.Name, "bench/"+c.Name+" "+strings.Join(args, " "))
	var err error
	for _, s := range c.Scenarios {
		if err == nil && slices.Contains(*chosen, s.Name) {
			if err = s.Run(ctx, r); err != nil {
				err = fmt.Errorf("scenario %s: %w", s.Name, err)
			}
		}
	}
	err = errors.Join(err, r.WriteText(stdout, c.Columns))
	if c.json != "" {
		err = errors.Join(err, r.WriteFile(c.json))
	}
	return err
}

// Chosen are those of all whose name has one of words; without words all are.
func Chosen[S any](all []S, words []string, name func(S) string) []S {
	if len(words) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(s S) bool {
		return !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(name(s), word) })
	})
}

func (c *Command) names(all bool) (names []string) {
	for _, s := range c.Scenarios {
		if all || !s.Asked {
			names = append(names, s.Name)
		}
	}
	return names
}

func (c *Command) validate(chosen []string) error {
	for _, name := range chosen {
		if !slices.Contains(c.names(true), name) {
			return fmt.Errorf("no scenario %q; there are %s", name, strings.Join(c.names(true), ", "))
		}
	}
	if c.runs < 1 {
		return errors.New("runs must be at least 1")
	}
	if c.Validate == nil {
		return nil
	}
	return c.Validate()
}
