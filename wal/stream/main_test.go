package stream_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"replicator/bench/cluster"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/slot"
	"replicator/wal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	slotName    = "stream"
	publication = `the "odd", one's \ name`
	senderName  = "replicator/test/stream"
)

// source is a server with a slot, streamed by the role that a DBA would make for us.
type source struct {
	*cluster.Cluster
	t          *testing.T
	admin      *pg.Conn
	consistent wal.LSN
	connected  *atomic.Int32
}

func newSource(t *testing.T, cfg cluster.Config) *source {
	t.Helper()
	cfg.InMemory = true
	c, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.CreateDatabase(t.Context(), "emr"); err != nil {
		t.Fatal(err)
	}
	s := &source{Cluster: c, t: t, connected: new(atomic.Int32)}
	s.reconnect()
	s.exec(`CREATE ROLE replicator_source LOGIN REPLICATION; GRANT pg_read_all_data, pg_monitor TO replicator_source;
		CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE unpublished (id int, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL;
		CREATE PUBLICATION ` + pg.Ident(publication) + ` FOR TABLE t`)
	if s.consistent, err = slot.Create(t.Context(), s.admin, slotName); err != nil {
		t.Fatal(err)
	}
	return s
}

// reconnect opens the admin's session anew, after a restart.
func (s *source) reconnect() {
	s.t.Helper()
	conn, err := pg.Connect(s.t.Context(), pg.Config{DSN: s.DSN("emr"), Name: "admin", Settings: map[string]string{"search_path": "public"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	s.admin = conn
}

func (s *source) exec(sql string) {
	s.t.Helper()
	if err := s.admin.Exec(s.t.Context(), sql); err != nil {
		s.t.Fatalf("%.200s: %v", sql, err)
	}
}

func (s *source) value(sql string, args ...string) string {
	s.t.Helper()
	v, err := s.admin.Value(s.t.Context(), sql, args...)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// until asks the server until sql, which takes a moment there, is true.
func (s *source) until(sql string, args ...string) {
	s.t.Helper()
	for range 1000 {
		if s.value("SELECT ("+sql+") FROM pg_sleep(0.01)", args...) == "t" {
			return
		}
	}
	s.t.Fatalf("never true: %s", sql)
}

// marker ends what was written so far with a logical message.
func (s *source) marker(content string) {
	s.t.Helper()
	s.value("SELECT pg_logical_emit_message(true, 'test', $1)", content)
}

func (s *source) state() slot.State {
	s.t.Helper()
	st, err := slot.Inspect(s.t.Context(), s.admin, slotName)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// config streams into log, by TCP and by the Unix-domain socket in turn.
func (s *source) config(log *memory) stream.Config {
	return stream.Config{
		Connect: func(ctx context.Context) (*pg.Conn, error) {
			dsn := s.DSNAs("replicator_source", "emr")
			if s.connected.Add(1)%2 == 0 {
				dsn = s.SocketDSNAs("replicator_source", "emr")
			}
			return pg.Connect(ctx, pg.Config{DSN: dsn, Name: senderName, Replication: true})
		},
		Slot: slotName, Publication: publication, Binary: true, Log: log, Spool: stream.NewNaive(), Streaming: true,
	}
}

// running is a Run under way.
type running struct {
	t    *testing.T
	stop context.CancelFunc
	end  chan error
}

// run starts Run when nobody has the slot any more: a walsender takes a moment to notice that its
// client is gone.
func (s *source) run(cfg stream.Config) *running {
	s.t.Helper()
	s.until("SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE active)")
	return run(s.t, cfg)
}

func run(t *testing.T, cfg stream.Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, stop: cancel, end: make(chan error, 1)}
	go func() { r.end <- stream.Run(ctx, cfg) }()
	t.Cleanup(cancel)
	return r
}

// wait is how Run ended, which it must do by itself.
func (r *running) wait() error {
	r.t.Helper()
	select {
	case err := <-r.end:
		return err
	case <-time.After(30 * time.Second):
		r.t.Fatal("Run did not end")
		return nil
	}
}

// cancel stops Run and checks that it says so, soon.
func (r *running) cancel() {
	r.t.Helper()
	r.stop()
	began := time.Now()
	if err := r.wait(); err != context.Canceled {
		r.t.Errorf("Run ended with %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		r.t.Errorf("Run took %s to end", took)
	}
}

// within fails the test if f takes longer; f ends with its ctx.
func within(t *testing.T, most time.Duration, what string, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	if err := f(ctx); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func each(t *testing.T, f func(t *testing.T, version int)) {
	for _, version := range cluster.Available("") {
		if version >= 14 {
			t.Run(fmt.Sprint(version), func(t *testing.T) { f(t, version) })
		}
	}
}

func signal(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Signal(sig)
	}
	if err != nil {
		t.Fatal(err)
	}
}
