package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Tool runs programs and adds up what they use.
type Tool struct {
	Logs string // a directory for what they say, or ""
	// Join connects two stages that run at different places; nil where all run at one.
	Join func(ctx context.Context) (out, in *os.File, err error)

	used atomic.Int64 // nanoseconds of CPU
	peak atomic.Int64 // bytes
}

// CPU is what all programs that have ended, and what they ran, have used.
func (t *Tool) CPU() time.Duration { return time.Duration(t.used.Load()) }

// Peak is the most resident memory of one process among them, or what this one held when it started
// them, if that is more: the kernel counts a child from its fork.
func (t *Tool) Peak() int64 { return t.peak.Load() }

// Place is how a program gets to where it runs: a command in front of its own, as ip netns exec
// NAMESPACE. None is here.
type Place []string

func (p Place) is(q Place) bool { return strings.Join(p, " ") == strings.Join(q, " ") }

// Stage is one program of a pipeline.
type Stage struct {
	Place Place
	Argv  []string
}

// At names a program that runs at a place.
func At(place Place, argv ...string) Stage { return Stage{place, argv} }

// Run runs one program to its end.
func (t *Tool) Run(ctx context.Context, place Place, argv ...string) error {
	return t.Pipeline(ctx, At(place, argv...))
}

// Pipeline runs programs to their end, each one's output the next one's input. Where the place
// changes, Join connects them. One that fails takes the others with it: its ends are closed.
func (t *Tool) Pipeline(ctx context.Context, stages ...Stage) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	running, err := t.lay(ctx, stages)
	if err != nil {
		stop()
	}
	for _, p := range running {
		err = errors.Join(err, t.wait(p))
	}
	return err
}

// lay starts the programs of a pipeline; with an error it returns those that run already.
func (t *Tool) lay(ctx context.Context, stages []Stage) (running []*program, err error) {
	var in *os.File
	for i, s := range stages {
		p := &program{in: in}
		in = nil
		if i+1 < len(stages) {
			p.out, in, err = t.joint(ctx, s.Place.is(stages[i+1].Place))
		}
		if err == nil {
			err = p.start(ctx, s)
		}
		err = errors.Join(err, closed(p.in), closed(p.out)) // the program has them, if it runs
		if err != nil {
			return running, errors.Join(err, closed(in))
		}
		running = append(running, p)
	}
	return running, nil
}

func closed(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// joint connects one program to the next.
func (t *Tool) joint(ctx context.Context, near bool) (out, in *os.File, err error) {
	if !near {
		return t.Join(ctx)
	}
	in, out, err = os.Pipe()
	return out, in, err
}

// program is one that runs.
type program struct {
	in, out *os.File
	said    bytes.Buffer
	cmd     *exec.Cmd
	argv    []string
}

// killDelay is for a program whose children hold its output when it has been killed.
const killDelay = 5 * time.Second

// Command makes a program that runs at a place, in a session of its own: pgcopydb, when it fails, kills
// the whole process group that it runs in, and Linux shares out its processors by session first
// (sched_autogroup), so that in ours a tool would take time from the clients whose waiting we measure.
func Command(ctx context.Context, place Place, argv ...string) *exec.Cmd {
	whole := append(append([]string{}, place...), argv...)
	cmd := exec.CommandContext(ctx, whole[0], whole[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killDelay
	return cmd
}

// start runs s between its ends.
func (p *program) start(ctx context.Context, s Stage) error {
	p.argv = s.Argv
	p.cmd = Command(ctx, s.Place, s.Argv...)
	p.cmd.Stderr, p.cmd.Stdout = &p.said, &p.said
	if p.in != nil {
		p.cmd.Stdin = p.in
	}
	if p.out != nil {
		p.cmd.Stdout = p.out
	}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", strings.Join(s.Argv, " "), err)
	}
	return nil
}

// wait returns when p has ended.
func (t *Tool) wait(p *program) error {
	err := p.cmd.Wait()
	t.count(p.cmd.ProcessState)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(p.argv, " "), err, Tail(p.said.String()))
	}
	return KeepLog(t.Logs, p.argv, p.said.Bytes())
}

// count adds what a process, which may never have run, has used.
func (t *Tool) count(s *os.ProcessState) {
	if s == nil {
		return
	}
	t.used.Add(int64(s.UserTime() + s.SystemTime()))
	use, ok := s.SysUsage().(*syscall.Rusage)
	for ok {
		old, now := t.peak.Load(), use.Maxrss<<10
		if now <= old || t.peak.CompareAndSwap(old, now) {
			return
		}
	}
}

// KeepLog writes what a program has said to a file that is named by time and program.
func KeepLog(dir string, argv []string, said []byte) error {
	if dir == "" || len(said) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, time.Now().Format("150405.000000")+"-"+filepath.Base(argv[0])+".log")
	return os.WriteFile(path, append([]byte(strings.Join(argv, " ")+"\n"), said...), 0o644)
}

// Tail is the end of what a program said.
func Tail(s string) string {
	const most = 2000
	s = strings.TrimSpace(s)
	if len(s) > most {
		s = "... " + s[len(s)-most:]
	}
	return s
}
