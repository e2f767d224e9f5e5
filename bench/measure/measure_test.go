package measure

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestCore(t *testing.T) {
	t.Parallel()
	s := &Samples{}
	if bytes, took := s.Core(0.1); bytes != 0 || took != 0 || s.Total() != 0 {
		t.Errorf("nothing gave %d bytes in %s", bytes, took)
	}
	// Ten seconds of quiet, ten of 100 bytes each, ten of quiet; the counter did not begin at 0.
	began, n := time.Now(), int64(5000)
	for i := range 31 {
		if i > 10 && i <= 20 {
			n += 100
		}
		s.add(began.Add(time.Duration(i)*time.Second), n)
	}
	if got := s.Total(); got != 1000 {
		t.Errorf("total %d", got)
	}
	if bytes, took := s.Core(0.1); bytes != 800 || took != 8*time.Second {
		t.Errorf("core %d bytes in %s", bytes, took)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	n := int64(0)
	s, err := Follow(ctx, func() (int64, error) {
		if n += 10; n == 30 {
			stop()
		}
		return n, nil
	})
	if err != nil || s.Total() != n-10 || n < 40 {
		t.Errorf("counted to %d, total %d, %v", n, s.Total(), err)
	}
	if _, err := Follow(t.Context(), func() (int64, error) { return 0, os.ErrInvalid }); err != os.ErrInvalid {
		t.Errorf("a broken counter gives %v", err)
	}
}

// TestTreeCPU lets a child's child burn CPU: first while it runs, then when its parent has waited
// for it.
func TestTreeCPU(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo burnt; read x'; echo waited; read x`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	machine, err := MachineBusy()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"burnt\n", "waited\n"} {
		line := make([]byte, len(word))
		if _, err := out.Read(line); err != nil || string(line) != word {
			t.Fatalf("read %q, %v", line, err)
		}
		used, err := TreeCPU(cmd.Process.Pid)
		if err != nil || used < 20*time.Millisecond {
			t.Errorf("%s: %s of CPU, %v", strings.TrimSpace(word), used, err)
		}
		if _, err := in.Write([]byte("\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if later, err := MachineBusy(); err != nil || later <= 0 || later < machine {
		t.Errorf("the machine was busy for %s before and %s after, %v", machine, later, err)
	}
	if _, err := TreeCPU(cmd.Process.Pid); err == nil {
		t.Error("a process that is gone has used CPU")
	}
}

func TestThisMachine(t *testing.T) {
	t.Parallel()
	if m := ThisMachine(); m.Cores < 1 || m.Memory < 1<<20 || m.Kernel == "" {
		t.Errorf("%+v", m)
	}
	if v := Version(t.Context(), "sh", "-c", "echo one; echo two"); v != "one" {
		t.Errorf("version %q", v)
	}
	if v := Version(t.Context(), "no-such-program"); v != "" {
		t.Errorf("version %q", v)
	}
}
