package sizing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// tempChild makes this test binary a process that is killed while it has a directory.
const tempChild = "temp"

func dieWithTemp() int {
	dir, _, err := tempDir()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "schema.dump"), nil, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// TestTempOfTheDead: what a killed process has left is removed, what a living one has is not.
func TestTempOfTheDead(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir, remove, err := tempDir()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+tempChild)
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the other process was to be killed: %v", err)
	}
	if n := temps(t); n != 2 {
		t.Fatalf("%d directories, one of a process that was killed; want 2", n)
	}
	if err := sweepTemp(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil || temps(t) != 1 {
		t.Errorf("%d directories are left, ours: %v", temps(t), err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ours is still there: %v", err)
	}
}

// temps is how many directories there are.
func temps(t *testing.T) int {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(os.TempDir(), tempName+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
