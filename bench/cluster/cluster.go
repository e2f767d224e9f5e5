package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTries bounds new attempts after somebody else took the port between our look and the start.
const startTries = 5

// closeTimeout bounds the immediate stop in Close; after it the postmaster is killed.
const closeTimeout = 20 * time.Second

// Cluster is a server of ours. Its methods may be called from any goroutine.
type Cluster struct {
	bin   string
	home  home
	port  int
	hold  *fileLock // the port, until Close
	user  owner
	enter func() error

	mu     sync.Mutex
	proc   *process // nil: not running
	closed bool
}

// Start makes a cluster and returns when it accepts connections. ctx bounds only the start; the
// server runs until Stop, Close, or the end of this process.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	o, err := serverOwner()
	if err != nil {
		return nil, err
	}
	bin, err := Locate(cfg.Version, cfg.Servers)
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir(cfg.Cache, o)
	if err != nil {
		return nil, err
	}
	if bin, err = readable(ctx, bin, cache, o); err != nil {
		return nil, err
	}
	tmpl, err := template(ctx, bin, cache, o)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		c, err := start(ctx, cfg, bin, tmpl, cache, o)
		if err == nil || cfg.Port != 0 || try == startTries || !errors.Is(err, errPortTaken) {
			return c, err
		}
	}
}

var errPortTaken = errors.New("port is taken")

func start(ctx context.Context, cfg Config, bin, tmpl, cache string, o owner) (*Cluster, error) {
	h, err := makeHome(ctx, cfg, cache, o)
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, home: h, user: o, enter: cfg.Enter}
	if c.enter == nil {
		c.enter = func() error { return nil }
	}
	if err := c.fill(cfg, tmpl, cache); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := c.StartAgain(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// fill copies the template and configures it.
func (c *Cluster) fill(cfg Config, tmpl, cache string) (err error) {
	if c.port, c.hold, err = reservePort(cache, cfg.Port); err != nil {
		return err
	}
	if err := copyTree(c.home.data(), tmpl, c.user); err != nil {
		return fmt.Errorf("copy template: %w", err)
	}
	conf, err := os.OpenFile(filepath.Join(c.home.data(), "postgresql.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = conf.WriteString(cfg.conf(c.port, c.home.dir))
	if err = errors.Join(err, conf.Close()); err != nil {
		return fmt.Errorf("write postgresql.conf: %w", err)
	}
	return os.WriteFile(filepath.Join(c.home.data(), "pg_hba.conf"), []byte(cfg.hba()), 0o600)
}

// StartAgain starts a stopped server on its old port and returns when it accepts connections,
// that is after crash recovery.
func (c *Cluster) StartAgain(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("cluster is closed")
	}
	if c.proc != nil && !c.proc.ended() {
		return errors.New("server is running")
	}
	p, err := startProcess(c.bin, c.home.data(), c.LogFile(), c.user, c.enter)
	if err != nil {
		return err
	}
	c.proc = p
	if err := p.waitReady(ctx, c.home.data()); err != nil {
		return c.whyNot(err)
	}
	return nil
}

// whyNot adds the end of the server's log, which says why it did not start.
func (c *Cluster) whyNot(err error) error {
	log, readErr := os.ReadFile(c.LogFile())
	if readErr != nil {
		return err
	}
	tail := string(log[max(0, len(log)-2000):])
	if strings.Contains(tail, "Address already in use") || strings.Contains(tail, "could not create any TCP/IP sockets") {
		err = fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return fmt.Errorf("%w; end of its log:\n%s", err, tail)
}

// Stop ends the server in a mode of pg_ctl: "smart" waits for the clients to leave, "fast" rolls
// them back, "immediate" is a crash and the next start recovers. A stopped server is no error.
func (c *Cluster) Stop(ctx context.Context, mode string) error {
	sig, ok := map[string]syscall.Signal{
		"smart": syscall.SIGTERM, "fast": syscall.SIGINT, "immediate": syscall.SIGQUIT,
	}[mode]
	if !ok {
		return fmt.Errorf("no such stop mode: %q", mode)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return nil
	}
	return c.proc.stop(ctx, sig)
}

// Restart is Stop and StartAgain.
func (c *Cluster) Restart(ctx context.Context, mode string) error {
	if err := c.Stop(ctx, mode); err != nil {
		return err
	}
	return c.StartAgain(ctx)
}

// Close stops the server at once and removes its directory. It may be called twice.
func (c *Cluster) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := c.Stop(ctx, "immediate")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if err != nil {
		err = c.proc.stop(context.Background(), syscall.SIGKILL)
	}
	c.hold.release()
	return errors.Join(err, c.home.remove())
}

// DSN connects as the superuser postgres over loopback.
func (c *Cluster) DSN(db string) string { return c.DSNAs("postgres", db) }

// DSNAs connects as user, whom the default pg_hba.conf trusts.
func (c *Cluster) DSNAs(user, db string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(user),
		Host:     fmt.Sprintf("127.0.0.1:%d", c.port),
		Path:     "/" + db,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SocketDSN connects as the superuser postgres through the unix socket, from wherever its file can
// be seen.
func (c *Cluster) SocketDSN(db string) string { return c.SocketDSNAs("postgres", db) }

// SocketDSNAs connects as user, whom the default pg_hba.conf trusts.
func (c *Cluster) SocketDSNAs(user, db string) string {
	q := url.Values{"host": {c.Dir()}, "port": {strconv.Itoa(c.port)}}
	u := url.URL{Scheme: "postgres", User: url.User(user), Path: "/" + db, RawQuery: q.Encode()}
	return u.String()
}

// Port is the TCP port and the number in the socket's name; it never changes.
func (c *Cluster) Port() int { return c.port }

// Dir holds everything of this cluster, the unix socket too.
func (c *Cluster) Dir() string { return c.home.dir }

// DataDir is the server's data directory.
func (c *Cluster) DataDir() string { return c.home.data() }

// BinDir holds the server's programs. Only Debian's have the client programs beside them.
func (c *Cluster) BinDir() string { return c.bin }

// LogFile is the server's log over all its runs.
func (c *Cluster) LogFile() string { return filepath.Join(c.home.dir, "server.log") }
