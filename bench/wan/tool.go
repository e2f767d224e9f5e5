package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// tool runs programs and adds up what CPU they use.
type tool struct {
	used atomic.Int64 // nanoseconds
	logs string       // a directory for what they say, or ""
}

// stage is one program of a pipeline.
type stage struct {
	ns   netns
	argv []string
}

// at names a program that runs in a namespace.
func at(ns netns, argv ...string) stage { return stage{ns, argv} }

// run runs one program to its end.
func (t *tool) run(ctx context.Context, ns netns, argv ...string) error {
	return t.pipeline(ctx, nil, at(ns, argv...))
}

// pipeline runs programs to their end, each one's output the next one's input. Where the namespace
// changes, which is from source to target, a TCP connection over l stands for ssh. One that fails
// takes the others with it: its ends are closed.
func (t *tool) pipeline(ctx context.Context, l *link, stages ...stage) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	running, err := lay(ctx, l, stages)
	if err != nil {
		stop()
	}
	for _, p := range running {
		err = errors.Join(err, t.wait(p))
	}
	return err
}

// lay starts the programs of a pipeline; with an error it returns those that run already.
func lay(ctx context.Context, l *link, stages []stage) (running []*program, err error) {
	var in *os.File
	for i, s := range stages {
		p := &program{in: in}
		in = nil
		if i+1 < len(stages) {
			p.out, in, err = joint(ctx, l, s.ns == stages[i+1].ns)
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
func joint(ctx context.Context, l *link, near bool) (out, in *os.File, err error) {
	if near {
		in, out, err = os.Pipe()
		return out, in, err
	}
	from, to, err := l.pipe(ctx)
	if err != nil {
		return nil, nil, err
	}
	if out, err = file(from); err == nil {
		in, err = file(to)
	}
	return out, in, err
}

// file takes the socket out of c, for a child.
func file(c *net.TCPConn) (*os.File, error) {
	f, err := c.File()
	return f, errors.Join(err, c.Close())
}

// program is one that runs.
type program struct {
	in, out *os.File
	said    bytes.Buffer
	cmd     *exec.Cmd
	name    string
}

// killDelay is for a program whose children hold its output when it has been killed.
const killDelay = 5 * time.Second

// command runs a program in a namespace, in a process group of its own: pgcopydb, when it fails,
// kills the whole group that it runs in.
func command(ctx context.Context, ns netns, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", string(ns)}, argv...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killDelay
	return cmd
}

// start runs s between its ends.
func (p *program) start(ctx context.Context, s stage) error {
	p.name = strings.Join(s.argv, " ")
	p.cmd = command(ctx, s.ns, s.argv...)
	p.cmd.Stderr, p.cmd.Stdout = &p.said, &p.said
	if p.in != nil {
		p.cmd.Stdin = p.in
	}
	if p.out != nil {
		p.cmd.Stdout = p.out
	}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", p.name, err)
	}
	return nil
}

// wait returns when p has ended.
func (t *tool) wait(p *program) error {
	err := p.cmd.Wait()
	if s := p.cmd.ProcessState; s != nil {
		t.used.Add(int64(s.UserTime() + s.SystemTime()))
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", p.name, err, tail(p.said.String()))
	}
	return keepLog(t.logs, p.cmd.Args, p.said.Bytes())
}

// keepLog writes what a program has said to a file that is named by time and program.
func keepLog(dir string, argv []string, said []byte) error {
	if dir == "" || len(said) == 0 {
		return nil
	}
	program := filepath.Base(argv[4]) // after ip netns exec NAMESPACE
	path := filepath.Join(dir, time.Now().Format("150405.000000")+"-"+program+".log")
	return os.WriteFile(path, append([]byte(strings.Join(argv, " ")+"\n"), said...), 0o644)
}

// tail is the end of what a program said.
func tail(s string) string {
	const most = 2000
	s = strings.TrimSpace(s)
	if len(s) > most {
		s = "... " + s[len(s)-most:]
	}
	return s
}
