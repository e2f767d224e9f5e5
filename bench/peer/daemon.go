package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"replicator/bench/measure"
)

// Daemon is a program that runs until it is told to stop, as replicator seed. A nil one is none.
type Daemon struct {
	name string // program and command
	argv []string
	cmd  *exec.Cmd
	said bytes.Buffer
	tool *Tool
	done chan struct{}
	err  error // once done is closed
}

// Start runs a program at a place.
func (t *Tool) Start(ctx context.Context, place Place, argv ...string) (*Daemon, error) {
	d := &Daemon{name: strings.Join(argv[:min(2, len(argv))], " "), argv: argv, cmd: Command(ctx, place, argv...), tool: t, done: make(chan struct{})}
	d.cmd.Stderr, d.cmd.Stdout = &d.said, &d.said
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", d.name, err)
	}
	go func() {
		d.err = d.cmd.Wait()
		t.count(d.cmd.ProcessState)
		close(d.done)
	}()
	return d, nil
}

// Ended is an error if the daemon has. None has not.
func (d *Daemon) Ended() error {
	if d == nil {
		return nil
	}
	select {
	case <-d.done:
		return fmt.Errorf("%s ended: %w: %s", d.name, d.err, Tail(d.said.String()))
	default:
		return nil
	}
}

// interrupted is the exit code of a replicator that was told to stop.
const interrupted = 130

// Stop tells the daemon to end and waits for it.
func (d *Daemon) Stop() error {
	if d == nil {
		return nil
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended, which Wait tells better
	<-d.done
	if err := KeepLog(d.tool.Logs, d.argv, d.said.Bytes()); err != nil {
		return err
	}
	var exit *exec.ExitError
	if errors.As(d.err, &exit) && exit.ExitCode() == interrupted {
		return nil
	}
	return fmt.Errorf("%s was stopped and ended with %w: %s", d.name, d.err, Tail(d.said.String()))
}

// Wait waits for a daemon that ends by itself.
func (d *Daemon) Wait() error {
	<-d.done
	if d.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", d.name, d.err, Tail(d.said.String()))
}

// CPU is what the daemon has used so far; once it has ended that is the tool's.
func (d *Daemon) CPU() (time.Duration, error) {
	if d == nil {
		return 0, nil
	}
	select {
	case <-d.done:
		return 0, nil
	default:
	}
	return measure.TreeCPU(d.cmd.Process.Pid)
}
