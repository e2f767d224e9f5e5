package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"replicator/replicator/pg"
)

// open starts a cluster, in memory, and closes it, checked, when the test ends.
func open(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	cfg.InMemory = true
	return openAs(t, cfg)
}

func openAs(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func connect(t *testing.T, dsn string) *pg.Conn {
	t.Helper()
	conn, err := pg.Connect(t.Context(), pg.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func value(t *testing.T, dsn, sql string) string {
	t.Helper()
	v, err := connect(t, dsn).Value(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestEveryVersionStarts(t *testing.T) {
	for _, version := range []int{14, 15, 16, 17, 18} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			c := open(t, Config{Version: version})
			num := value(t, c.DSN("postgres"), "SELECT current_setting('server_version_num')::int / 10000")
			if num != fmt.Sprint(version) {
				t.Errorf("server is version %s", num)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	c := open(t, Config{Settings: map[string]string{"work_mem": "5MB", "application_name": "it's"}})
	durable := open(t, Config{Durable: true})
	for _, tt := range []struct {
		c          *Cluster
		name, want string
	}{
		{c, "work_mem", "5MB"},
		{c, "wal_level", "logical"},
		{c, "max_prepared_transactions", "20"},
		{c, "fsync", "off"},
		{c, "full_page_writes", "off"},
		{c, "log_timezone", "UTC"},
		{durable, "fsync", "on"},
		{durable, "full_page_writes", "on"},
	} {
		if got := value(t, tt.c.DSN("postgres"), "SHOW "+tt.name); got != tt.want {
			t.Errorf("%s = %q, want %q", tt.name, got, tt.want)
		}
	}
	if c.Port() == durable.Port() {
		t.Error("two clusters on one port")
	}
}

func TestUnixSocketAndDatabase(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	dsn, err := c.CreateDatabase(t.Context(), `a "quoted" name`)
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, dsn, "SELECT current_database()"); got != `a "quoted" name` {
		t.Errorf("connected to %q", got)
	}
	if got := value(t, c.SocketDSN(`a "quoted" name`), "SELECT current_database() || inet_client_addr() IS NULL"); got != "t" {
		t.Error("not connected through the unix socket")
	}
}

func TestRestartKeepsDataAndPort(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	dsn := c.DSN("postgres")
	if err := connect(t, dsn).Exec(t.Context(), "CREATE TABLE public.kept (i int)"); err != nil {
		t.Fatal(err)
	}
	for i, mode := range []string{"fast", "immediate", "smart"} {
		if mode == "smart" { // it waits for clients, so none may be left
			if err := c.Restart(t.Context(), "fast"); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Restart(t.Context(), mode); err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		conn := connect(t, dsn)
		if err := conn.Exec(t.Context(), "INSERT INTO public.kept VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Value(t.Context(), "SELECT count(*) FROM public.kept")
		if err != nil || n != fmt.Sprint(i+1) {
			t.Fatalf("after %s: %s rows, %v", mode, n, err)
		}
	}
	log, err := os.ReadFile(c.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "database system was interrupted") {
		t.Error("immediate did not crash the server")
	}
}

func TestStopAndClose(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	if err := c.StartAgain(t.Context()); err == nil {
		t.Error("started twice")
	}
	if err := c.Stop(t.Context(), "slowly"); err == nil {
		t.Error("unknown mode taken")
	}
	if err := c.Stop(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.Port())); err == nil {
		t.Error("a stopped server answers")
	}
	if err := c.Stop(t.Context(), "fast"); err != nil {
		t.Errorf("stop twice: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.Dir()); !os.IsNotExist(err) {
		t.Errorf("directory after close: %v", err)
	}
	if err := c.StartAgain(t.Context()); err == nil {
		t.Error("started after close")
	}
}

func TestHBA(t *testing.T) {
	t.Parallel()
	c := open(t, Config{HBA: "host all all 127.0.0.1/32 scram-sha-256\n"})
	_, err := pg.Connect(t.Context(), pg.Config{DSN: c.DSN("postgres")})
	if err == nil {
		t.Fatal("connected without a password")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, Config{})
	for _, tt := range []struct {
		name, want string
		cfg        Config
	}{
		{"missing version", "testdata/servers/install /nowhere 11", Config{Version: 11, Servers: "/nowhere"}},
		{"full directory", "is not empty", Config{Dir: full}},
		{"taken port", "locked by another process", Config{Port: c.Port()}},
		{"bad setting", "no_such_setting", Config{Settings: map[string]string{"no_such_setting": "1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Start(t.Context(), tt.cfg)
			if err == nil {
				t.Fatal(c.Close())
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\ndoes not say %q", err, tt.want)
			}
		})
	}
}

// TestEnterIsInherited changes what a thread hands down to what it forks.
func TestEnterIsInherited(t *testing.T) {
	t.Parallel()
	const nice = 7
	entered := 0
	c := open(t, Config{Enter: func() error {
		entered++
		return syscall.Setpriority(syscall.PRIO_PROCESS, 0, nice) // of this thread, on Linux
	}})
	niceness := func() string {
		stat := value(t, c.DSN("postgres"), "SELECT pg_read_file('/proc/' || pg_backend_pid() || '/stat')")
		return strings.Fields(stat[strings.LastIndex(stat, ")"):])[17]
	}
	if got := niceness(); got != fmt.Sprint(nice) {
		t.Errorf("the server runs with niceness %s", got)
	}
	if err := c.Restart(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	if got := niceness(); got != fmt.Sprint(nice) || entered != 2 {
		t.Errorf("started again %d times in all with niceness %s", entered, got)
	}
	want := errors.New("no way in")
	if c, err := Start(t.Context(), Config{Enter: func() error { return want }}); !errors.Is(err, want) {
		if err == nil {
			err = c.Close()
		}
		t.Errorf("started although Enter failed: %v", err)
	}
}

func TestStartHonoursContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if c, err := Start(ctx, Config{}); err == nil {
		c.Close()
		t.Error("started under a context that had ended")
	}
}
