package wire

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// testWire is a wire of our own, where this process may make one.
func testWire(t *testing.T) *Wire {
	t.Helper()
	for _, program := range []string{"ip", "tc", "ethtool"} {
		if _, err := exec.LookPath(program); err != nil || os.Geteuid() != 0 {
			t.Skip("needs root, ip, tc and ethtool")
		}
	}
	if err := exec.CommandContext(t.Context(), "ip", "netns", "list").Run(); err != nil {
		t.Skip("no network namespaces here")
	}
	w, err := Lay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestBytesCrossTheWire sends through pipes with and without a distance, and looks at the counters.
func TestBytesCrossTheWire(t *testing.T) {
	w := testWire(t)
	if err := w.Shape(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, rtt := range []time.Duration{0, 20 * time.Millisecond} {
		l := &Link{Wire: w, Mbit: 1000, RTT: rtt}
		before, _, err := w.Carried()
		if err != nil {
			t.Fatal(err)
		}
		from, to, err := l.Pipe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		go func() {
			_, _ = from.Write(sent) // what is missing is missed below
			_ = from.Close()
		}()
		got, err := io.ReadAll(to)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: received %d of %d bytes, %v", l, len(got), len(sent), err)
		}
		if took := time.Since(began); took < rtt/2 {
			t.Errorf("%s: took %s", l, took)
		}
		after, _, err := w.Carried()
		if err != nil {
			t.Fatal(err)
		}
		if n, least := after-before, int64(len(sent)); n < least || n > least*12/10 {
			t.Errorf("%s: %d bytes were sent, %d counted on the wire", l, least, n)
		}
		_ = to.Close()
		l.Close()
	}
}

// TestSweep leaves namespaces of a process that is gone and of one that lives.
func TestSweep(t *testing.T) {
	testWire(t)
	gone := exec.CommandContext(t.Context(), "true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	left := Netns(netnsName(gone.Process.Pid, "source"))
	used := Netns(netnsName(os.Getppid(), "source"))
	for _, n := range []Netns{left, used} {
		if err := Run(t.Context(), "ip", "netns", "add", string(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweepNetns(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(netnsDir, string(left))); !os.IsNotExist(err) {
		t.Errorf("a dead process's namespace is left: %v", err)
	}
	if err := used.remove(t.Context()); err != nil {
		t.Errorf("a living process's namespace is gone: %v", err)
	}
}

func TestDeviceBytes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dev")
	const dev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     600      12    0    0    0     0          0         0      601      12    0    0    0     0       0          0
   wan:12345678     100    0    0    0     0          0         0 87654321     200    0    0    0     0       0          0
`
	if err := os.WriteFile(path, []byte(dev), 0o600); err != nil {
		t.Fatal(err)
	}
	if sent, received, err := deviceBytes(path); err != nil || sent != 87654321 || received != 12345678 {
		t.Errorf("sent %d, received %d, %v", sent, received, err)
	}
	if err := os.WriteFile(path, []byte(dev[:len(dev)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := deviceBytes(path); err == nil {
		t.Error("found a device that is not there")
	}
}
