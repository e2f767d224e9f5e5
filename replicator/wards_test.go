package replicator_test

import (
	"context"
	"strings"
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

// TestCatchupUnderFire catches up while the wards write at full speed and never stop trying: the
// fence must hold them, and what they had committed before it must be on the target.
func TestCatchupUnderFire(t *testing.T) {
	seed := seedOf(t)
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(1000))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	h := startHammer(t, p.source, seed, 3, 1000)
	h.mustCommit(t, 500)
	for tries := 1; ; tries++ {
		report, err := p.catchup(replicator.CatchupOptions{Timeout: 2 * time.Minute})
		if err == nil && report.Outcome == catchup.Opened {
			break
		}
		// A session that the fence ends between PREPARE and COMMIT leaves something that could still
		// be committed, which the fence must not pass over.
		if fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "prepared transaction") || tries == 10 {
			t.Fatalf("catch-up: %v\n%s", err, e.out)
		}
		p.mustBeWritable()
		p.rollbackPrepared()
	}
	committed := h.commits.Load()
	if wards := p.asWard(p.source); wards == nil {
		t.Error("a ward can still connect to the source")
	}
	<-e.gone
	if e.code != 0 {
		t.Errorf("engine ended with %d:\n%s", e.code, e.out)
	}
	p.compare() // the wards still try
	h.stop()
	if now := h.commits.Load(); now != committed {
		t.Errorf("%d transactions committed after the target was open", now-committed)
	}
	if committed == 0 {
		t.Error("nobody wrote: the test shows nothing")
	}
	p.compareSequences()
	t.Logf("%d commits", committed)
}

// asWard is the error that a ward gets who writes a row.
func (p *pair) asWard(dsn string) error {
	c, err := pg.Connect(context.Background(), pg.Config{DSN: strings.Replace(dsn, "//postgres@", "//ward@", 1), Name: "ward",
		Settings: map[string]string{"default_transaction_read_only": p.value(dsn, readOnly)}})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Exec(context.Background(), "INSERT INTO h.log (who, what) VALUES (0, '"+canary+"')")
}

// readOnly is what the database sets for sessions; those of tests are pinned.
const readOnly = `SELECT coalesce((SELECT split_part(s, '=', 2) FROM pg_db_role_setting, unnest(setconfig) s, pg_database d
	WHERE setdatabase = d.oid AND datname = current_database() AND s LIKE 'default_transaction_read_only=%'), 'off')`

// connectRights are who may connect to the database.
const connectRights = `SELECT string_agg(a.grantee || ' ' || a.privilege_type, ', ' ORDER BY a.grantee, a.privilege_type)
	FROM pg_database d, aclexplode(coalesce(datacl, acldefault('d', datdba))) a WHERE datname = current_database()`

// mustBeWritable wants the fence down and the target closed.
func (p *pair) mustBeWritable() {
	p.t.Helper()
	if err := p.asWard(p.source); err != nil {
		p.t.Errorf("the source does not take writes: %v", err)
	}
	if set := p.value(p.source, readOnly); set != "off" {
		p.t.Errorf("the source database is read-only: %s", set)
	}
	if phase := p.value(p.target, "SELECT phase FROM replicator.job"); phase == string(status.Open) {
		p.t.Errorf("both sides are open")
	}
	if n := p.value(p.target, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"); n != "0" {
		p.t.Errorf("%s triggers are on the target, which will go on to follow", n)
	}
}

func (p *pair) rollbackPrepared() {
	c := p.connect(p.source)
	defer c.Close()
	rows, err := c.Query(context.Background(), "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range rows {
		_ = c.Exec(context.Background(), "ROLLBACK PREPARED "+pg.Literal(r[0])) // unless its ward came first
	}
}

// followThenLeave seeds until the target follows and ends the engine, so that a catch-up in this
// process, with its hooks, does the work itself.
func (p *pair) followThenLeave() {
	p.t.Helper()
	e := startEngine(p.t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	if code := e.terminate(); code != int(fault.Interrupted) {
		p.t.Fatalf("engine ended with %d:\n%s", code, e.out)
	}
}

// TestSomebodyWritesAfterTheFence has a superuser, whom no fence holds, write while the catch-up is
// under way, in every way that there is: the catch-up must notice and leave the source open.
func TestSomebodyWritesAfterTheFence(t *testing.T) {
	t.Parallel()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	rights := p.value(p.source, connectRights)
	p.followThenLeave()
	const write = "SET default_transaction_read_only = off; INSERT INTO h.note (id, body) VALUES (3, '" + canary + " late');"
	const takeBack = "DELETE FROM h.note WHERE id = 3"
	for _, way := range []struct {
		name string
		do   func(t *testing.T) (seen func(catchup.Event), after func())
	}{
		{"committed", func(*testing.T) (func(catchup.Event), func()) {
			p.exec(p.source, write)
			return nil, nil
		}},
		{"committed, and not yet applied when the sides are compared", func(t *testing.T) (func(catchup.Event), func()) {
			lock := p.connect(p.target)
			if err := lock.Exec(context.Background(), "BEGIN; LOCK TABLE h.note IN EXCLUSIVE MODE"); err != nil {
				t.Fatal(err)
			}
			p.exec(p.source, write)
			return func(e catchup.Event) {
				// Compared tables can be read under the lock; what comes after waits for the row.
				if e.Step == "verify" && e.State == catchup.StepBegins {
					time.AfterFunc(time.Second, func() { lock.Close() })
				}
			}, nil
		}},
		{"an open transaction", func(t *testing.T) (func(catchup.Event), func()) {
			c := p.connect(p.source)
			if err := c.Exec(context.Background(), "BEGIN;"+write); err != nil {
				t.Fatal(err)
			}
			return nil, func() { _ = c.Exec(context.Background(), "COMMIT"); c.Close() }
		}},
		{"a prepared transaction", func(*testing.T) (func(catchup.Event), func()) {
			p.exec(p.source, "BEGIN;"+write+"PREPARE TRANSACTION 'rogue'")
			return nil, func() { p.exec(p.source, "COMMIT PREPARED 'rogue'") }
		}},
		{"a sequence of changes that leaves everything as it was", func(*testing.T) (func(catchup.Event), func()) {
			p.exec(p.source, write+takeBack)
			return nil, func() { p.exec(p.source, write) }
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			p.t = t
			var seen func(catchup.Event)
			after := func() {}
			o := replicator.CatchupOptions{Dir: p.o.Dir, Hook: once("engine: before finish", 1, func() {
				s, a := way.do(t)
				seen = s
				if a != nil {
					after = a
				}
			})}
			report, err := replicator.Catchup(context.Background(), o, func(e catchup.Event) {
				t.Log(e)
				if seen != nil {
					seen(e)
				}
			})
			if fault.CodeOf(err) != fault.Preflight || report == nil || report.Outcome != catchup.Failed {
				t.Errorf("catch-up: code %d, %v", fault.CodeOf(err), err)
			}
			after()
			p.mustBeWritable()
			p.exec(p.source, takeBack)
		})
	}
	p.t = t
	if now := p.value(p.source, connectRights); now != rights {
		t.Errorf("rights on the source database are %s, were %s", now, rights)
	}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	p.compare()
}

// TestOperatorDidNotStopTheWards asks for no fence while the wards write.
func TestOperatorDidNotStopTheWards(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	h := startHammer(t, p.source, seedOf(t), 3, 300)
	report, err := p.catchup(replicator.CatchupOptions{Fence: source.FenceOperator})
	if fault.CodeOf(err) != fault.Preflight || report.Outcome != catchup.Failed {
		t.Errorf("catch-up among writers: code %d, %v", fault.CodeOf(err), err)
	}
	h.stop()
	p.mustBeWritable()
	if report, err := p.catchup(replicator.CatchupOptions{Fence: source.FenceOperator}); err != nil || report.Outcome != catchup.Opened {
		t.Errorf("catch-up after the wards have stopped: %v", err)
	}
	p.compare()
	if set := p.value(p.source, readOnly); set != "off" {
		t.Errorf("a fence of the operator's changed the source: read-only is %s", set)
	}
}

// TestCatchupGivenUp ends catch-ups that are past the fence in every way that there is; each time
// the source must take writes again, and the last try must succeed.
func TestCatchupGivenUp(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	rights := p.value(p.source, connectRights)
	p.followThenLeave()
	var e *engine
	for _, way := range []struct {
		name   string
		engine bool // one runs, and is asked
		o      replicator.CatchupOptions
		stop   func(cancel context.CancelFunc) // once the catch-up waits past the fence
	}{
		{"out of time", false, replicator.CatchupOptions{Timeout: 2 * time.Second}, func(context.CancelFunc) {}},
		{"told to stop", false, replicator.CatchupOptions{}, func(cancel context.CancelFunc) { cancel() }},
		{"out of time, in the engine", true, replicator.CatchupOptions{Timeout: 2 * time.Second}, func(context.CancelFunc) {}},
		{"told to stop, in the engine", true, replicator.CatchupOptions{}, func(cancel context.CancelFunc) { cancel() }},
		{"the engine is told to stop", true, replicator.CatchupOptions{}, func(context.CancelFunc) { _ = e.cmd.Process.Signal(syscall.SIGTERM) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			p.t = t
			e = nil
			if way.engine {
				e = startEngine(t, orders{Options: p.o})
				e.mustReach(p.o.Dir, status.Following)
			}
			lock := p.connect(p.target) // a late table that cannot be emptied holds the catch-up
			defer lock.Close()
			if err := lock.Exec(context.Background(), "BEGIN; LOCK TABLE h.audit IN ACCESS SHARE MODE"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			way.o.Dir = p.o.Dir
			fenced := false
			report, err := replicator.Catchup(ctx, way.o, func(e catchup.Event) {
				t.Log(e)
				if e.Step == "late tables" && e.State == catchup.StepBegins {
					fenced = p.value(p.source, readOnly) == "on"
					way.stop(cancel)
				}
			})
			if !fenced {
				t.Error("the source was not fenced: the test shows nothing")
			}
			if fault.CodeOf(err) != fault.Interrupted || report == nil || report.Outcome != catchup.Aborted {
				t.Errorf("catch-up: code %d, %v, report %+v", fault.CodeOf(err), err, report)
			}
			if ctx.Err() == nil && way.o.Timeout > 0 && (err == nil || !strings.Contains(err.Error(), "--timeout")) {
				t.Errorf("catch-up does not say why: %v", err)
			}
			p.mustBeWritable()
			if e != nil {
				e.terminate()
				if e.code != int(fault.Interrupted) {
					t.Errorf("engine ended with %d:\n%s", e.code, e.out)
				}
			}
		})
	}
	p.t = t
	if now := p.value(p.source, connectRights); now != rights {
		t.Errorf("rights on the source database are %s, were %s", now, rights)
	}
	if err := p.asWard(p.source); err != nil {
		t.Error(err)
	}
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	p.compare()
}
