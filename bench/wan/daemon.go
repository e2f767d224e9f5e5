package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"replicator/bench/measure"
)

// daemon is a program of ours that runs until it is told to stop.
type daemon struct {
	name string // its command
	cmd  *exec.Cmd
	said bytes.Buffer
	logs string // directory, or ""
	done chan struct{}
	err  error // once done is closed
}

// start runs the program of ours in a namespace.
func (w *world) start(ctx context.Context, ns netns, args ...string) (*daemon, error) {
	d := &daemon{name: args[0], logs: w.logs, cmd: command(ctx, ns, append([]string{w.program}, args...)...), done: make(chan struct{})}
	d.cmd.Stderr, d.cmd.Stdout = &d.said, &d.said
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", args[0], err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	return d, nil
}

// ended is an error if the daemon has. None has not.
func (d *daemon) ended() error {
	if d == nil {
		return nil
	}
	select {
	case <-d.done:
		return fmt.Errorf("replicator %s ended: %w: %s", d.name, d.err, tail(d.said.String()))
	default:
		return nil
	}
}

// interrupted is the exit code of a replicator that was told to stop.
const interrupted = 130

// stop tells the daemon to end and waits for it.
func (d *daemon) stop() error {
	if d == nil {
		return nil
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended, which Wait tells better
	<-d.done
	if err := keepLog(d.logs, d.cmd.Args, d.said.Bytes()); err != nil {
		return err
	}
	var exit *exec.ExitError
	if errors.As(d.err, &exit) && exit.ExitCode() == interrupted {
		return nil
	}
	return fmt.Errorf("replicator %s was stopped and ended with %w: %s", d.name, d.err, tail(d.said.String()))
}

// cpu is what the daemon has used so far.
func (d *daemon) cpu() (time.Duration, error) {
	if d == nil {
		return 0, nil
	}
	return measure.TreeCPU(d.cmd.Process.Pid)
}
