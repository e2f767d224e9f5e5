package workload

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"replicator/bench/clinical"
	"replicator/bench/cluster"
	"replicator/replicator/pg"
)

const canary = "CANARY-77b1e"

// hospital is a small clinical database on a server of its own.
func hospital(t *testing.T, version int) (*cluster.Cluster, string) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Version: version, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	dsn, err := c.CreateDatabase(t.Context(), "clinical")
	if err != nil {
		t.Fatal(err)
	}
	if err := clinical.Load(t.Context(), dsn, clinical.Options{Scale: 0.001, Seed: 5, Canary: canary}); err != nil {
		t.Fatal(err)
	}
	return c, dsn
}

func value(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pg.Connect(t.Context(), pg.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	v, err := conn.Value(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func execute(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pg.Connect(t.Context(), pg.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// TestEveryAct runs each act alone, many times, so that every branch of it meets the server.
func TestEveryAct(t *testing.T) {
	const times = 40
	for _, version := range []int{14, 15, 18} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			c, dsn := hospital(t, version)
			w, err := New(Options{DSN: dsn, Seed: uint64(version), Canary: canary, Long: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.known.read(t.Context(), dsn); err != nil {
				t.Fatal(err)
			}
			k := w.newWorker(0)
			k.sess = k.connect(t.Context())
			defer k.sess.close()
			for _, a := range k.acts {
				ended := map[outcome]int{}
				for range times {
					how, _, err := k.transact(t.Context(), t.Context(), a)
					if how > refused {
						log, _ := os.ReadFile(c.LogFile())
						t.Fatalf("%s: %v\n%s", a.name, err, log[max(0, len(log)-1500):])
					}
					ended[how]++
				}
				if a.name == "take back" {
					ended[committed] = ended[rolledBack]
				}
				if ended[committed] < times/2 {
					t.Errorf("%s: only %d of %d committed, %d refused", a.name, ended[committed], times, ended[refused])
				}
			}
			unmarked := value(t, dsn, `SELECT count(*) FROM record.note WHERE position('`+canary+`' IN body) = 0`)
			if unmarked != "0" {
				t.Errorf("%s notes without the canary", unmarked)
			}
		})
	}
}

// running is a workload in the background.
type running struct {
	*Workload
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

func runInBackground(t *testing.T, opts Options) *running {
	t.Helper()
	w, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{Workload: w, t: t, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- w.Run(ctx) }()
	return r
}

// until waits for the stats to satisfy ok.
func (r *running) until(what string, ok func(Stats) bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok(r.Stats()) {
		select {
		case err := <-r.done:
			r.t.Fatalf("waiting for %s: the workload ended: %v", what, err)
		case <-deadline:
			r.t.Fatalf("waiting for %s: %+v", what, r.Stats())
		case <-tick.C:
		}
	}
}

func (r *running) finish() Stats {
	r.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Fatal(err)
	}
	return r.Stats()
}

func TestRunLeavesNothingUnderWay(t *testing.T) {
	t.Parallel()
	_, dsn := hospital(t, 15)
	r := runInBackground(t, Options{DSN: dsn, Workers: 6, Seed: 1, Canary: canary, Long: 10 * time.Second})
	r.until("800 acts", func(s Stats) bool { return s.Committed > 800 })
	s := r.finish()
	if s.Rows == 0 || s.RolledBack == 0 || len(s.ByAct) < 20 {
		t.Errorf("stats %+v", s)
	}
	if s.Lost > 0 || s.Connects != 6 {
		t.Errorf("lost a connection without a reason: %+v", s)
	}
	left := value(t, dsn, `SELECT count(*) FROM pg_stat_activity
		WHERE application_name = 'clinical workload' AND xact_start IS NOT NULL`)
	if left != "0" {
		t.Errorf("%s transactions left after Run", left)
	}
}

func TestServerGoesAway(t *testing.T) {
	t.Parallel()
	c, dsn := hospital(t, 15)
	r := runInBackground(t, Options{DSN: dsn, Workers: 3, Seed: 2, Long: time.Millisecond})
	for _, mode := range []string{"fast", "immediate"} {
		before := r.Stats()
		r.until("acts before "+mode, func(s Stats) bool { return s.Committed > before.Committed+50 })
		if err := c.Restart(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		back := r.Stats()
		r.until("acts after "+mode, func(s Stats) bool { return s.Committed > back.Committed+50 })
	}
	if s := r.finish(); s.Connects < 9 {
		t.Errorf("3 workers over 2 restarts connected %d times", s.Connects)
	}
}

func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	c, dsn := hospital(t, 15)
	r := runInBackground(t, Options{DSN: dsn, Workers: 2, Seed: 3, Long: time.Millisecond})
	r.until("acts", func(s Stats) bool { return s.Committed > 50 })
	execute(t, c.DSN("postgres"), "ALTER DATABASE clinical SET default_transaction_read_only = on")
	execute(t, c.DSN("postgres"), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'clinical workload'")
	r.until("refused writes", func(s Stats) bool { return s.ReadOnly > 5 })
	fenced := r.Stats().Committed
	r.until("more refused writes", func(s Stats) bool { return s.ReadOnly > 15 })
	// An act that found nothing to write commits even so; nearly all write.
	if s := r.Stats(); s.Committed > fenced+5 {
		t.Errorf("%d acts committed in a read-only database", s.Committed-fenced)
	}
	execute(t, c.DSN("postgres"), "ALTER DATABASE clinical RESET default_transaction_read_only")
	execute(t, c.DSN("postgres"), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'clinical workload'")
	r.until("writes again", func(s Stats) bool { return s.Committed > fenced+50 })
	r.finish()
}

func TestRefusesOtherDatabases(t *testing.T) {
	t.Parallel()
	c, err := cluster.Start(t.Context(), cluster.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := Run(t.Context(), Options{DSN: c.DSN("postgres")}); pg.State(err) != "42P01" {
		t.Errorf("on a database without the tables: %v", err)
	}
	for _, opts := range []Options{{Rate: -1}, {Workers: -1}, {Long: -1}, {DSN: "postgres://u:secret@:x"}} {
		if _, err := New(opts); err == nil {
			t.Errorf("%+v is taken", opts)
		} else if strings.Contains(err.Error(), "secret") {
			t.Error("the error repeats the DSN")
		}
	}
}

func TestPacer(t *testing.T) {
	now := time.Unix(1000, 0)
	p := newPacer(10)
	for range 10 { // the first second's worth may come at once
		if d := p.due(now); d > 0 {
			t.Fatalf("first burst waits %v", d)
		}
	}
	var last time.Duration
	for range 20 {
		last = p.due(now)
	}
	if want := 1900 * time.Millisecond; last != want {
		t.Errorf("20 acts later: wait %v, want %v", last, want)
	}
	now = now.Add(time.Hour) // a stall: only a second of it is made up for
	behind := 0
	for p.due(now) <= 0 {
		behind++
	}
	if behind != 11 {
		t.Errorf("%d acts at once after a stall, want 11", behind)
	}
	if slow := newPacer(0.1); slow.due(now) > 0 || slow.due(now) != 10*time.Second {
		t.Error("a slow pace is not kept")
	}
}
