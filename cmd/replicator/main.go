// Command replicator moves live PostgreSQL databases exactly. This package turns flags into
// configuration, calls the engine, and shows what comes back: one file a subcommand.
//
// Every command keeps the same contract: results on stdout, logs and progress on stderr, --json for
// machines, exit codes of package fault, no prompt, no password in an argument, and errors of one
// line with a hint, written in one place (fail.go).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"

	"replicator/replicator/fault"
)

// memoryLimit is what the garbage collector works against: with the rest of the process it keeps
// resident memory under 300 MB. GOMEMLIMIT overrides it.
const memoryLimit = 230 << 20

func main() {
	syscall.Umask(0o077) // what we write holds patient data
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	ctx, stop := interruptible(context.Background())
	defer stop()
	a := &app{
		stdout: os.Stdout,
		stderr: newConsole(os.Stderr, terminal(os.Stderr)),
		tty:    terminal(os.Stdout),
		getenv: os.Getenv,
	}
	os.Exit(int(a.main(ctx, os.Args[1:])))
}

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" }

// interruption is the cause of a context that a signal ended.
type interruption struct{ signal os.Signal }

func (i interruption) Error() string { return "stopped by signal: " + i.signal.String() }

// sameSignal is how long another signal is taken for the first: timeout(1) sends two.
const sameSignal = time.Second

// interruptible ends ctx at the first signal, so that the engine can leave everything in order, and
// the process at the second. A hang-up counts as well, unless it is ignored, as under nohup: a
// terminal that goes away must not leave a fence behind.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	list := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	got := make(chan os.Signal, 2)
	signal.Notify(got, list...)
	go func() {
		cancel(interruption{<-got})
		for first := time.Now(); time.Since(first) < sameSignal; {
			<-got
		}
		fmt.Fprintln(os.Stderr, "replicator: stopped at once by a second signal")
		os.Exit(int(fault.Interrupted))
	}()
	return ctx, func() { signal.Stop(got); cancel(nil) }
}
