package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one run of the postmaster.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how, once done is closed
}

// startProcess runs the server in the foreground as our child. The kernel sends it SIGQUIT
// (an immediate stop) when the thread that forked it ends, so that goroutine keeps its thread
// until the server has ended.
func startProcess(bin, data, logFile string, o owner, enter func() error) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close()

	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data)
	cmd.Dir = data
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = o.attr()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT

	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := enter()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run postgres: %w", err)
	}
	return p, nil
}

// readyPoll is how often the state in postmaster.pid is read.
const readyPoll = 10 * time.Millisecond

// waitReady returns when the server accepts connections. It asks the server's own state file and
// not for a connection, so that it works under any pg_hba.conf.
func (p *process) waitReady(ctx context.Context, data string) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if p.ready(data) {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("server ended while starting: %v", p.err)
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// ready reads postmaster.pid: line 1 is the pid, line 8 the state (pg_ctl reads the same).
func (p *process) ready(data string) bool {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 8 || strings.TrimSpace(lines[0]) != strconv.Itoa(p.cmd.Process.Pid) {
		return false
	}
	state := strings.TrimSpace(lines[7])
	return state == "ready" || state == "standby"
}

// stop signals the postmaster and waits until it and its children have ended. When ctx ends
// first the server is still on its way down.
func (p *process) stop(ctx context.Context, sig syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !p.ended() {
		return fmt.Errorf("signal the server: %w", err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the server to stop: %w", ctx.Err())
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
