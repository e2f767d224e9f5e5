package replicator_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/check"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/status"
	"replicator/replicator/target"
	"replicator/replicator/verify"
)

// application opens a session on the target as an application does: what the database has set counts.
func (p *pair) application(name string) *pgconn.PgConn {
	p.t.Helper()
	cfg, err := pgconn.ParseConfig(p.target)
	if err != nil {
		p.t.Fatal(err)
	}
	cfg.RuntimeParams["application_name"] = name
	c, err := pgconn.ConnectConfig(p.t.Context(), cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// stateOf runs statements and returns the SQLSTATE, "" for none.
func stateOf(t *testing.T, c *pgconn.PgConn, sql string) string {
	t.Helper()
	_, err := c.Exec(t.Context(), sql).ReadAll()
	var e *pgconn.PgError
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	return pg.State(err)
}

// setting is what the target database has set for everybody.
func (p *pair) setting() string {
	p.t.Helper()
	return p.value(p.target, `SELECT coalesce((SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting
		WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())), '')`)
}

// set has the target database set something.
func (p *pair) set(what string) {
	p.t.Helper()
	p.exec(p.target, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I "+what+"', current_database()); END $$")
}

const (
	guarded = "default_transaction_read_only=on"
	refused = "25006"
	calm    = "CREATE SCHEMA h; CREATE TABLE h.bed (id int PRIMARY KEY, pad text); INSERT INTO h.bed SELECT i, 'x' FROM generate_series(1, 100) i"
)

// TestGuard holds an application from writing while the job runs, and lets it when the target is open:
// also one that was connected before. What the database had set is put back.
func TestGuard(t *testing.T) {
	for _, before := range []string{"", "default_transaction_read_only=off"} {
		t.Run(before, func(t *testing.T) {
			p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
			p.exec(p.source, calm)
			if before != "" {
				p.set("SET default_transaction_read_only = off")
			}
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			warm := p.application("emr")
			if state := stateOf(t, warm, "UPDATE h.bed SET pad = 'y'"); state != refused {
				t.Errorf("an application writes while the job runs: %q", state)
			}
			p.mustCatchup()
			<-e.gone
			if now := p.setting(); now != before {
				t.Errorf("the open target has set %q, had %q", now, before)
			}
			if state := stateOf(t, p.application("emr"), "UPDATE h.bed SET pad = 'y'"); state != "" {
				t.Errorf("an application cannot write on the open target: %q", state)
			}
			if err := warm.Ping(t.Context()); err == nil {
				t.Error("a session that began under the guard is still there, and read-only")
			}
			if e := startEngine(t, orders{Options: p.o}); e.ended() != 0 || p.setting() != before {
				t.Errorf("seed of an open job ended with %d, and the target has set %q", e.code, p.setting())
			}
		})
	}
}

// ended waits for the end.
func (e *engine) ended() int {
	<-e.gone
	return e.code
}

// TestKilledAroundTheGuard kills the engine where the guard goes up and where it comes down.
func TestKilledAroundTheGuard(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, calm)
	p.set("SET default_transaction_read_only = off")
	before := p.setting()
	for _, k := range []struct {
		hook, leaves string
		catchup      bool
	}{
		{"target: before guard", before, false},
		{"target: guard before commit", before, false},
		{"target: guard after commit", guarded, false},
		{"target: open before commit", guarded, true},
		{"target: open after commit", before, true},
	} {
		if k.hook == "target: open before commit" {
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			e.terminate()
		}
		e := startEngine(t, orders{Options: p.o, Catchup: k.catchup, KillAt: k.hook, KillNth: 1})
		if e.ended() != -1 {
			t.Fatalf("not killed at %q but ended with %d:\n%s", k.hook, e.code, e.out)
		}
		if now := p.settled(); now != k.leaves {
			t.Errorf("killed at %q the target has set %q, want %q", k.hook, now, k.leaves)
		}
	}
	if e := startEngine(t, orders{Options: p.o}); e.ended() != 0 || p.setting() != before {
		t.Errorf("seed after all ended with %d, and the target has set %q", e.code, p.setting())
	}
	if err := replicator.Cleanup(t.Context(), replicator.CleanupOptions{Dir: p.o.Dir, Logger: slog.Default()}); err != nil {
		t.Fatal(err)
	}
	if now := p.setting(); now != before {
		t.Errorf("after cleanup the target has set %q, had %q", now, before)
	}
}

// settled is the setting once no session of a killed engine is left to change it.
func (p *pair) settled() string {
	p.t.Helper()
	p.exec(p.target, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE starts_with(application_name, 'replicator/') AND datname = current_database()`)
	return p.setting()
}

// TestGuardIsTakenDownByCleanup gives a job up while it follows.
func TestGuardIsTakenDownByCleanup(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, calm)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.terminate()
	if state := stateOf(t, p.application("emr"), "UPDATE h.bed SET pad = 'y'"); state != refused {
		t.Errorf("an application writes while the engine is down: %q", state)
	}
	if err := replicator.Cleanup(t.Context(), replicator.CleanupOptions{Dir: p.o.Dir, Logger: slog.Default()}); err != nil {
		t.Fatal(err)
	}
	if now := p.setting(); now != "" {
		t.Errorf("after cleanup the target has set %q", now)
	}
	if state := stateOf(t, p.application("emr"), "UPDATE h.bed SET pad = 'y'"); state != "" {
		t.Errorf("an application cannot write after cleanup: %q", state)
	}
}

// local is a target end for job on a pair's target.
func (p *pair) local(job, dsn string) *target.Local {
	l := target.New(target.Config{DSN: dsn, Job: job, Logger: slog.Default()})
	p.t.Cleanup(func() { l.Close() })
	return l
}

// mustOpen opens an end and returns what there is to know of the guard.
func mustOpen(t *testing.T, l *target.Local) string {
	t.Helper()
	st, err := l.Open(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	return st.Guard
}

// TestGuardOfTwoJobs has jobs share a database: the last one to be cleaned up takes the guard down, the
// first one to open does.
func TestGuardOfTwoJobs(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	ctx := t.Context()
	mustOpen(t, p.local("first", p.target)) // makes schema replicator, alone
	ends := []*target.Local{p.local("a", p.target), p.local("b", p.target), p.local("c", p.target)}
	var wg sync.WaitGroup
	for _, l := range ends {
		wg.Go(func() {
			if _, err := l.Open(ctx, true); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	drop := func(l *target.Local, want string) {
		t.Helper()
		if err := l.Drop(ctx); err != nil {
			t.Fatal(err)
		}
		if now := p.setting(); now != want {
			t.Fatalf("the target has set %q, want %q", now, want)
		}
	}
	drop(ends[0], guarded)
	drop(p.local("first", p.target), guarded)
	drop(ends[1], guarded)
	drop(ends[2], "")
	for _, l := range ends {
		l.Close()
	}
	a, b := p.local("a", p.target), p.local("b", p.target)
	mustOpen(t, a)
	mustOpen(t, b)
	if err := a.SetPhase(ctx, string(status.Open)); err != nil {
		t.Fatal(err)
	}
	if now := p.setting(); now != "" {
		t.Errorf("one job has opened the target, which has set %q", now)
	}
	if note := mustOpen(t, b); !strings.Contains(note, "job a has opened") || p.setting() != "" {
		t.Errorf("the other job says %q, and the target has set %q", note, p.setting())
	}
	if note := mustOpen(t, a); note != "" || p.setting() != "" {
		t.Errorf("the open job says %q, and the target has set %q", note, p.setting())
	}
}

// TestGuardAndOthersSettings: what somebody has changed since the guard went up is left alone, and a
// guard that was taken down goes up again with the next engine.
func TestGuardAndOthersSettings(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	l := p.local("a", p.target)
	mustOpen(t, l)
	p.set("RESET default_transaction_read_only")
	if mustOpen(t, l); p.setting() != guarded {
		t.Errorf("the guard is not up again: %q", p.setting())
	}
	p.set("SET default_transaction_read_only = off")
	if err := l.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := p.setting(); now != "default_transaction_read_only=off" {
		t.Errorf("what the DBA has set meanwhile is %q now", now)
	}
	p.set("SET default_transaction_read_only = on")
	if note := mustOpen(t, l); !strings.Contains(note, "before the job") {
		t.Errorf("a target that was read-only before: %q", note)
	}
	if err := l.Drop(t.Context()); err != nil || p.setting() != guarded {
		t.Errorf("a target that was read-only before has set %q: %v", p.setting(), err)
	}
}

// TestGuardThatIsNotAllowed has a role that does not own the target: it says so and works. What
// `sql target-setup` prints gives it the right.
func TestGuardThatIsNotAllowed(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	const role = "guardless"
	p.exec(p.target, "CREATE ROLE "+role+` LOGIN; DO $$ BEGIN EXECUTE format('GRANT CREATE, CONNECT ON DATABASE %I TO `+role+`', current_database()); END $$`)
	t.Cleanup(func() { p.exec(p.target, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	l := p.local("a", asRole(p.target, role))
	if note := mustOpen(t, l); !strings.Contains(note, "not prevented") || !strings.Contains(note, "ALTER DATABASE") || p.setting() != "" {
		t.Errorf("note %q, and the target has set %q", note, p.setting())
	}
	// A guard that is not ours goes with who put it up, and is not in our way.
	owner := p.local("owner", p.target)
	if note := mustOpen(t, owner); note != "" || p.setting() != guarded {
		t.Errorf("the owner's guard: %q, and the target has set %q", note, p.setting())
	}
	if note := mustOpen(t, l); !strings.Contains(note, "RESET") {
		t.Errorf("beside another's guard: %q", note)
	}
	if err := owner.Drop(t.Context()); err != nil || p.setting() != "" {
		t.Errorf("the owner's job has gone, and the target has set %q: %v", p.setting(), err)
	}
	if err := l.SetPhase(t.Context(), string(status.Open)); err != nil {
		t.Errorf("open without a guard: %v", err)
	}
	if err := l.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	setup, err := check.TargetSetup(t.Context(), check.SetupOptions{DSN: p.target, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	p.exec(p.target, setup)
	if note := mustOpen(t, l); note != "" || p.setting() != guarded {
		t.Errorf("with the right: note %q, and the target has set %q", note, p.setting())
	}
	if err := l.SetPhase(t.Context(), string(status.Open)); err != nil || p.setting() != "" {
		t.Errorf("open: %v, and the target has set %q", err, p.setting())
	}
}

// TestStrangersAreNamed has others on a target at another site: one that only looks, one whose
// transaction writes. Both are named wherever somebody looks, and the catch-up waits for the writer to go.
func TestStrangersAreNamed(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, calm)
	p.far()
	early := p.application("early")
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.application("looker")
	if state := stateOf(t, early, "BEGIN; CREATE TABLE public.mine (x int)"); state != "" {
		t.Fatal(state)
	}
	ok := e.awaitStatus(p.o.Dir, func(s status.Status) bool {
		looker, writer := named(s.Strangers, "looker"), named(s.Strangers, "early")
		return looker != nil && looker.Sessions == 1 && looker.Unguarded == 0 && looker.Writing == 0 && looker.Role == "postgres" &&
			writer != nil && writer.Unguarded == 1 && writer.Writing > 0 && !writer.Since.IsZero()
	})
	if !ok {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	_, err := p.catchup(replicator.CatchupOptions{})
	if fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "somebody else writes on the target: early of role postgres") {
		t.Fatalf("catch-up beside a writer: %v", err)
	}
	if ro := p.value(p.source, "SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"); ro != "0" {
		t.Error("the source was fenced for a catch-up that could not begin")
	}
	if state := stateOf(t, early, "ROLLBACK"); state != "" {
		t.Fatal(state)
	}
	r, err := p.verify(verify.Options{})
	if err != nil || named(r.Strangers, "looker") == nil || named(r.Strangers, "early") == nil {
		t.Errorf("verify names %+v: %v", r.Strangers, err)
	}
	report := p.mustCatchup()
	if w := named(report.Strangers, "early"); w == nil || w.Writing == 0 || named(report.Strangers, "looker") == nil {
		t.Errorf("the catch-up's report names %+v", report.Strangers)
	}
	if slices.ContainsFunc(report.Strangers, func(s status.Stranger) bool { return strings.HasPrefix(s.Application, "replicator") }) {
		t.Errorf("the report names ourselves: %+v", report.Strangers)
	}
	e.ended()
}

func named(list []status.Stranger, application string) *status.Stranger {
	for i := range list {
		if list[i].Application == application {
			return &list[i]
		}
	}
	return nil
}
