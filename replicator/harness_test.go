package replicator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// childEnv holds a child's orders; a test binary that finds it is an engine, not a test.
const childEnv = "REPLICATOR_TEST_CHILD"

func TestMain(m *testing.M) {
	if orders := os.Getenv(childEnv); orders != "" {
		os.Exit(child(orders))
	}
	code := m.Run()
	for _, c := range servers {
		c.Close()
	}
	os.Exit(code)
}

// orders are what a child engine is to do.
type orders struct {
	Options replicator.Options
	Serve   *replicator.ServeOptions // a target end, not an engine
	Catchup bool
	Fence   source.FenceMode
	Resync  []string // tables to take through again
	KillAt  string   // hook at which it kills itself, the Nth time
	KillNth int
}

// child runs an engine as the command would: results are an exit code, logs go to stderr.
func child(text string) int {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o.Options.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var seen atomic.Int64
	o.Options.Hook = func(point string) {
		if point == o.KillAt && seen.Add(1) == int64(o.KillNth) {
			fmt.Fprintln(os.Stderr, "killed at", point)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	var err error
	if o.Serve != nil {
		o.Serve.Logger, o.Serve.Hook = o.Options.Logger, o.Options.Hook
		err = replicator.Serve(ctx, *o.Serve)
	} else if o.Resync != nil {
		_, err = replicator.Resync(ctx, replicator.ResyncOptions{Dir: o.Options.Dir, Tables: o.Resync, Logger: o.Options.Logger, Hook: o.Options.Hook})
	} else if o.Catchup {
		_, err = replicator.Catchup(ctx, replicator.CatchupOptions{Dir: o.Options.Dir, KeyFile: o.Options.KeyFile, Fence: o.Fence, Logger: o.Options.Logger, Hook: o.Options.Hook}, func(e catchup.Event) { fmt.Fprintln(os.Stderr, e) })
	} else {
		err = replicator.Seed(ctx, o.Options)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	return int(fault.CodeOf(err))
}

// engine is a child process that runs an engine.
type engine struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *syncBuffer
	gone chan struct{}
	code int // once gone; -1 for killed
}

// engineAtMost is far beyond what any test takes. An engine that hangs, or waits for a hook that never comes, then
// says where, and its test fails long before the whole run is given up.
const engineAtMost = 20 * time.Minute

func startEngine(t *testing.T, o orders) *engine {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t: t, cmd: exec.Command(os.Args[0]), out: &syncBuffer{}, gone: make(chan struct{})}
	e.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	e.cmd.Stdout, e.cmd.Stderr = e.out, e.out
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(engineAtMost, func() { _ = e.cmd.Process.Signal(syscall.SIGQUIT) })
	go func() {
		_ = e.cmd.Wait()
		hangs.Stop()
		e.code = e.cmd.ProcessState.ExitCode()
		close(e.gone)
	}()
	t.Cleanup(func() { e.kill(); checkCanary(t, e.out.String()) })
	return e
}

func (e *engine) kill() {
	_ = e.cmd.Process.Kill()
	<-e.gone
}

func (e *engine) terminate() int {
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	<-e.gone
	return e.code
}

// await waits until the job in dir is in one of the phases, or the engine is gone.
func (e *engine) await(dir string, phases ...status.Phase) bool {
	return e.awaitStatus(dir, func(s status.Status) bool { return slices.Contains(phases, s.Phase) })
}

// awaitStatus waits until a running engine shows what is wanted, or is gone.
func (e *engine) awaitStatus(dir string, want func(status.Status) bool) bool {
	for {
		if s, err := replicator.ReadStatus(context.Background(), dir, ""); err == nil && s.Running && want(s) {
			return true
		}
		select {
		case <-e.gone:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (e *engine) mustReach(dir string, p status.Phase) {
	e.t.Helper()
	if !e.await(dir, p) {
		e.t.Fatalf("engine ended with %d before phase %s:\n%s", e.code, p, e.out)
	}
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var _ io.Writer = (*syncBuffer)(nil)

// checkCanary fails when an output holds a row's value.
func checkCanary(t *testing.T, out string) {
	t.Helper()
	if i := strings.Index(out, canary); i >= 0 {
		t.Errorf("output holds a row value: ...%s...", out[max(0, i-200):min(len(out), i+100)])
	}
}

// servers are shared by the tests of this package, by name.
var (
	serversMu sync.Mutex
	servers   = map[string]*cluster.Cluster{}
)

// server starts a cluster once; tests that stop or restart theirs take one of their own.
func server(t *testing.T, name string, cfg cluster.Config) *cluster.Cluster {
	t.Helper()
	serversMu.Lock()
	defer serversMu.Unlock()
	c := servers[name]
	if c == nil {
		c = newServer(t, cfg)
		servers[name] = c
	}
	t.Cleanup(func() { serverErrors(t, name, c) })
	return c
}

// ownServer starts a cluster for one test.
func ownServer(t *testing.T, cfg cluster.Config) *cluster.Cluster {
	t.Helper()
	c := newServer(t, cfg)
	t.Cleanup(func() { c.Close() })
	t.Cleanup(func() { serverErrors(t, fmt.Sprintf("at port %d", c.Port()), c) })
	return c
}

// newServer starts a cluster, where the test asks for no version of Debian's newest or of REPLICATOR_VERSION.
func newServer(t *testing.T, cfg cluster.Config) *cluster.Cluster {
	t.Helper()
	cfg.InMemory = true
	if cfg.Version == 0 {
		cfg.Version = number(t, "REPLICATOR_VERSION", 0)
	}
	c, err := cluster.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serverErrors shows, where a test has failed, what a server complained of last: the engine says codes alone.
func serverErrors(t *testing.T, name string, c *cluster.Cluster) {
	if !t.Failed() {
		return
	}
	text, err := os.ReadFile(c.LogFile())
	if err != nil {
		t.Logf("log of server %s: %v", name, err)
		return
	}
	var list []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " ERROR: ") || strings.Contains(line, " FATAL: ") || strings.Contains(line, " PANIC: ") {
			list = append(list, line)
		}
	}
	t.Logf("last errors of server %s:\n%s", name, strings.Join(list[max(0, len(list)-10):], ""))
}

var databases atomic.Int64

// pair is a source and a target database, and a job's options for them.
type pair struct {
	t                *testing.T
	source, target   string // DSNs
	sourceC, targetC *cluster.Cluster
	o                replicator.Options
}

func newPair(t *testing.T, src, tgt *cluster.Cluster) *pair {
	t.Helper()
	name := fmt.Sprintf("t%d", databases.Add(1))
	p := &pair{t: t, sourceC: src, targetC: tgt}
	var err error
	if p.source, err = src.CreateDatabase(context.Background(), name+"_s"); err != nil {
		t.Fatal(err)
	}
	if p.target, err = tgt.CreateDatabase(context.Background(), name+"_t"); err != nil {
		t.Fatal(err)
	}
	for _, dsn := range []string{p.source, p.target} {
		p.exec(dsn, "DO $$ BEGIN CREATE ROLE ward LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$")
	}
	// Slots are scarce and hold WAL back: what a test leaves goes before the next one.
	t.Cleanup(p.dropSlots)
	p.o = replicator.Options{Source: p.source, Target: p.target, Dir: filepath.Join(t.TempDir(), "job"), Jobs: 3, ChunkBytes: 64 << 10}
	return p
}

// dropSlots drops the slots of the source database, once their walsenders are gone.
func (p *pair) dropSlots() {
	ctx := context.Background()
	c, err := pg.Connect(ctx, pg.Config{DSN: p.source, Name: "test"})
	if err != nil {
		return // the test has stopped its server
	}
	defer c.Close()
	err = c.Exec(ctx, `SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE database = current_database() AND active_pid IS NOT NULL;
		SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()`)
	if err != nil {
		p.t.Errorf("drop slots: %v", err)
	}
}

func (p *pair) exec(dsn, sql string) {
	p.t.Helper()
	c := p.connect(dsn)
	defer c.Close()
	if err := c.Exec(context.Background(), sql); err != nil {
		p.t.Fatal(err)
	}
}

// execEach runs statements in transactions of their own, as beside writers one must: in one they would
// lock the tables in another order than the writers do, and now and then deadlock with them.
func (p *pair) execEach(dsn string, statements ...string) {
	p.t.Helper()
	for _, sql := range statements {
		p.exec(dsn, sql)
	}
}

func (p *pair) connect(dsn string) *pg.Conn {
	p.t.Helper()
	c, err := pg.Connect(context.Background(), pg.Config{DSN: dsn, Name: "test", Settings: map[string]string{"search_path": "public"}})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *pair) value(dsn, sql string) string {
	p.t.Helper()
	c := p.connect(dsn)
	defer c.Close()
	v, err := c.Value(context.Background(), sql)
	if err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// catchup runs a catch-up in this process; the engine that runs does the work.
func (p *pair) catchup(o replicator.CatchupOptions) (*catchup.Report, error) {
	o.Dir = p.o.Dir
	var lines strings.Builder
	report, err := replicator.Catchup(context.Background(), o, func(e catchup.Event) { fmt.Fprintln(&lines, e) })
	checkCanary(p.t, lines.String())
	p.t.Logf("catch-up:\n%s", lines.String())
	return report, err
}

// mustCatchup is a catch-up that must open the target.
func (p *pair) mustCatchup() *catchup.Report {
	p.t.Helper()
	report, err := p.catchup(replicator.CatchupOptions{})
	if err != nil {
		p.t.Fatalf("catch-up: %v", err)
	}
	if report.Outcome != catchup.Opened {
		p.t.Fatalf("catch-up ended %s", report.Outcome)
	}
	return report
}

// apart is between names in an answer: a name may hold anything else.
const apart = "\x01"

// compare holds every table of both sides against each other, by means of PostgreSQL's own.
func (p *pair) compare() {
	p.t.Helper()
	tables := `SELECT coalesce(string_agg(format('%I.%I', nspname, relname), E'\x01' ORDER BY 1), '') FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'm') AND relispopulated AND nspname NOT IN ('pg_catalog', 'information_schema', 'replicator')`
	// Catch-up fills materialized views anew; the source's may be stale, and one may be read by another
	// that the list has before it.
	p.exec(p.source, `DO $$ DECLARE v text; BEGIN FOR i IN 1 .. (SELECT count(*) FROM pg_matviews WHERE ispopulated) LOOP
		FOR v IN SELECT format('%I.%I', schemaname, matviewname) FROM pg_matviews WHERE ispopulated LOOP
			EXECUTE 'REFRESH MATERIALIZED VIEW ' || v; END LOOP; END LOOP; END $$`)
	have, want := p.value(p.target, tables), p.value(p.source, tables)
	columns := p.columns()
	p.sameAnswers(strings.Split(want, apart), func(name string) string {
		if !strings.Contains(apart+have+apart, apart+name+apart) {
			p.t.Errorf("table %s is not on the target", name)
			return ""
		}
		return "SELECT count(*) || ' rows, sum ' || coalesce(sum(hashtextextended(x::text, 0)::numeric), 0) FROM (SELECT " + columns[name] + " FROM ONLY " + name + ") x"
	})
}

// columns are the columns of each table as the source has them: an heir's may come in another order.
func (p *pair) columns() map[string]string {
	p.t.Helper()
	c := p.connect(p.source)
	defer c.Close()
	rows, err := c.Query(context.Background(), `SELECT format('%I.%I', nspname, relname), coalesce(string_agg(quote_ident(attname), ', ' ORDER BY attnum), '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
		WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema') GROUP BY 1`)
	if err != nil {
		p.t.Fatal(err)
	}
	columns := map[string]string{}
	for _, r := range rows {
		columns[r[0]] = r[1]
	}
	return columns
}

// sameAnswers asks both sides the same of each name.
func (p *pair) sameAnswers(names []string, ask func(name string) string) {
	p.t.Helper()
	src, tgt := p.connect(p.source), p.connect(p.target)
	defer src.Close()
	defer tgt.Close()
	for _, name := range names {
		sql := ask(name)
		if sql == "" {
			continue
		}
		s, err := src.Value(context.Background(), sql)
		if err != nil {
			p.t.Fatalf("%s: %v", sql, err)
		}
		t, err := tgt.Value(context.Background(), sql)
		if err != nil {
			p.t.Fatalf("%s: %v", sql, err)
		}
		if s != t {
			p.t.Errorf("%s differs: source %s, target %s", name, s, t)
		}
	}
}

// seedOf is the seed of a randomised test, printed so that it can be replayed with REPLICATOR_SEED.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("REPLICATOR_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = v
	}
	t.Logf("REPLICATOR_SEED=%d", seed)
	return seed
}
