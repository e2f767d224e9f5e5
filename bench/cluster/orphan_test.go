package cluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// helperArg makes this test binary a process that starts two clusters and then waits to be killed.
const helperArg = "start-and-wait"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == helperArg {
		startAndWait()
	}
	os.Exit(m.Run())
}

func startAndWait() {
	for _, cfg := range []Config{{}, {InMemory: true}} {
		c, err := Start(context.Background(), cfg)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(c.Port(), c.Dir())
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent dies
	os.Exit(0)
}

// TestServerDiesWithItsProcess kills a process that has started a cluster on disk and one in memory.
func TestServerDiesWithItsProcess(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, helperArg)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, ports, dirs := bufio.NewReader(out), []string{}, []string{}
	for range 2 {
		line, err := said.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		port, dir, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			t.Fatalf("helper says %q", line)
		}
		if !answers(port) {
			t.Fatal("the helper's server does not answer")
		}
		ports, dirs = append(ports, port), append(dirs, dir)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	for end := time.Now().Add(10 * time.Second); slices.ContainsFunc(ports, answers); {
		if time.Now().After(end) {
			t.Fatal("a server outlived its process")
		}
	}
	open(t, Config{})
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("the next start left the dead cluster's directory: %v", err)
		}
	}
}

func answers(port string) bool {
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// TestColdCache starts several clusters at once with nothing cached: one makes the template.
func TestColdCache(t *testing.T) {
	cache, err := os.MkdirTemp("", "replicator-cold-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(cache)
	if err := os.Chmod(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			c, err := Start(t.Context(), Config{Cache: cache, InMemory: true})
			if err != nil {
				t.Error(err)
				return
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestServersOutOfReach runs server files that the server's user cannot read, as in a checkout
// below root's home directory.
func TestServersOutOfReach(t *testing.T) {
	bin, err := Locate(16, "")
	if err != nil {
		t.Fatal(err)
	}
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := copyTree(filepath.Join(closed, "16"), filepath.Dir(bin), owner{}); err != nil {
		t.Fatal(err)
	}
	cache, err := os.MkdirTemp("", "replicator-cold-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(cache)
	if err := os.Chmod(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	c := open(t, Config{Version: 16, Servers: closed, Cache: cache})
	if got := value(t, c.DSN("postgres"), "SHOW server_version_num"); !strings.HasPrefix(got, "16") {
		t.Errorf("server is version %s", got)
	}
}
