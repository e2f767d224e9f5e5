package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"replicator/bench/peer"
)

// Netns is a network namespace that ip(8) knows by name.
type Netns string

const (
	netnsDir    = "/run/netns"
	netnsPrefix = "replicator-wan-"
)

// makeNetns makes one whose name says which process it belongs to.
func makeNetns(ctx context.Context, what string) (Netns, error) {
	n := Netns(netnsName(os.Getpid(), what))
	if err := Run(ctx, "ip", "netns", "add", string(n)); err != nil {
		return "", err
	}
	return n, Run(ctx, "ip", "-n", string(n), "link", "set", "lo", "up")
}

func netnsName(pid int, what string) string { return fmt.Sprintf("%s%d-%s", netnsPrefix, pid, what) }

// remove takes the namespace away, and with it the ends of its links.
func (n Netns) remove(ctx context.Context) error {
	return Run(ctx, "ip", "netns", "delete", string(n))
}

// sweepNetns removes the namespaces of processes that are gone.
func sweepNetns(ctx context.Context) error {
	left, err := filepath.Glob(filepath.Join(netnsDir, netnsPrefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range left {
		name := filepath.Base(path)
		pid, _, _ := strings.Cut(strings.TrimPrefix(name, netnsPrefix), "-")
		if n, err := strconv.Atoi(pid); err != nil || alive(n) {
			continue
		}
		errs = append(errs, Netns(name).remove(ctx))
	}
	return errors.Join(errs...)
}

func alive(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}

// Place is where programs run that are to run in n.
func (n Netns) Place() peer.Place { return peer.Place{"ip", "netns", "exec", string(n)} }

// Enter puts the calling thread, which must be locked and never be used for anything else, into n.
func (n Netns) Enter() error {
	f, err := os.Open(filepath.Join(netnsDir, string(n)))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", n, err)
	}
	return nil
}

// Do runs f in n. Sockets that f makes stay in n, wherever they are used.
func (n Netns) Do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		err := n.Enter()
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// Run runs a program to its end; its output becomes part of the error.
func Run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
