package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"replicator/replicator/fault"
)

// TestSignal stops a command that waits for a server which never answers.
func TestSignal(t *testing.T) {
	// A hang-up that this process was started to ignore, as under nohup, would be ignored by the
	// command as well; one that is caught here is the command's own.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			dsn := "postgres://dba@" + l.Addr().String() + "/emr?sslmode=disable"
			cmd := exec.Command("replicator", "check", "--source", dsn, "--target", dsn)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			conn, err := l.Accept() // now it waits
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != int(fault.Interrupted) {
				t.Errorf("ended with %v, want exit code %d", err, fault.Interrupted)
			}
			if want := "replicator: stopped by signal: " + sig.String() + "\n"; stderr.String() != want {
				t.Errorf("stderr %q, want %q", stderr.String(), want)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v to stop", took)
			}
		})
	}
}
