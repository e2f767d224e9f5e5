package replicator_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// TestServersRestart restarts either server, fast and immediately, while the engine copies and while
// it follows: it must go on by itself.
func TestServersRestart(t *testing.T) {
	seed := seedOf(t)
	src := ownServer(t, cluster.Config{})
	tgt := ownServer(t, cluster.Config{Settings: map[string]string{"synchronous_commit": "off"}})
	p := newPair(t, src, tgt)
	p.exec(p.source, hammerSchema+hammerRows(4000))
	h := startHammer(t, p.source, seed, 2, 4000)
	e := startEngine(t, orders{Options: p.o})
	restart := func(c *cluster.Cluster, mode string) {
		t.Helper()
		began := time.Now()
		if err := c.Restart(context.Background(), mode); err != nil {
			t.Fatalf("restart %s: %v", mode, err)
		}
		t.Logf("restart %s took %s", mode, time.Since(began).Round(time.Millisecond))
	}
	e.mustReach(p.o.Dir, status.Copying)
	restart(src, "immediate")
	restart(tgt, "immediate")
	restart(src, "fast")
	e.mustReach(p.o.Dir, status.Following)
	for _, mode := range []string{"fast", "immediate"} {
		restart(tgt, mode)
		restart(src, mode)
	}
	p.finishWith(e, h)
}

// TestTerminated tells the engine to stop in every phase; it must say 130 and go on.
func TestTerminated(t *testing.T) {
	seed := seedOf(t)
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(2000))
	h := startHammer(t, p.source, seed, 2, 2000)
	for _, phase := range []status.Phase{status.Preparing, status.Copying, status.Indexing, status.CatchingUp, status.Following} {
		e := startEngine(t, orders{Options: p.o})
		e.await(p.o.Dir, phase, status.Following)
		if code := e.terminate(); code != int(fault.Interrupted) {
			t.Fatalf("engine told to stop in phase %s ended with %d:\n%s", phase, code, e.out)
		}
		s, err := replicator.ReadStatus(context.Background(), p.o.Dir, "")
		if err != nil || s.Running || s.Phase == status.Failed {
			t.Errorf("status after the stop: %+v, %v", s.Phase, err)
		}
	}
	p.finish(h)
}

// TestSlotDropped drops the slot behind the engine's back: changes are lost, and it must say so.
func TestSlotDropped(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.terminate()
	p.exec(p.source, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
	for range 2 { // a second try must not make it anew
		e = startEngine(t, orders{Options: p.o})
		<-e.gone
		if e.code != int(fault.PositionLost) {
			t.Fatalf("engine without its slot ended with %d:\n%s", e.code, e.out)
		}
	}
	if n := p.value(p.source, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"); n != "0" {
		t.Error("the engine made a new slot")
	}
}

// TestSlotAdvanced advances the slot by hand: the server would skip the changes without a word.
func TestSlotAdvanced(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.terminate()
	p.exec(p.source, "UPDATE h.account SET balance = balance + 1")
	p.exec(p.source, "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots WHERE database = current_database()")
	e = startEngine(t, orders{Options: p.o})
	<-e.gone
	if e.code != int(fault.PositionLost) {
		t.Fatalf("engine behind its slot ended with %d:\n%s", e.code, e.out)
	}
}

// TestTwoEngines starts a second engine on one job: in the same directory, and on a copy of it.
func TestTwoEngines(t *testing.T) {
	t.Parallel()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	first := startEngine(t, orders{Options: p.o})
	first.mustReach(p.o.Dir, status.Following)
	second := startEngine(t, orders{Options: p.o})
	<-second.gone
	if second.code != int(fault.Fenced) {
		t.Errorf("second engine in one directory ended with %d:\n%s", second.code, second.out)
	}
	first.terminate()
	other := p.o
	other.Dir = filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-a", p.o.Dir, other.Dir).CombinedOutput(); err != nil {
		t.Fatalf("copy the state: %v %s", err, out)
	}
	first = startEngine(t, orders{Options: p.o})
	first.mustReach(p.o.Dir, status.Following)
	second = startEngine(t, orders{Options: other})
	<-second.gone
	if second.code != int(fault.Fenced) {
		t.Errorf("second engine on a copied directory ended with %d:\n%s", second.code, second.out)
	}
	select {
	case <-first.gone:
		t.Errorf("the first engine ended with %d:\n%s", first.code, first.out)
	default:
	}
	p.exec(p.source, "UPDATE h.account SET balance = balance + 1")
	p.mustCatchup()
	p.compare()
}

// TestChangeLogDiskFull gives the change log a file system of a few megabytes and writes more than
// that while the target is blocked: nothing may be lost, and the engine goes on once there is room.
func TestChangeLogDiskFull(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	changes := filepath.Join(p.o.Dir, "changes")
	if err := os.MkdirAll(changes, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", changes, "tmpfs", 0, "size=6m,mode=0700"); err != nil {
		t.Fatalf("mount a small file system (the test needs root): %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(changes, 0) })
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	// The target's apply waits for this lock while the source writes.
	lock := p.connect(p.target)
	defer lock.Close()
	if err := lock.Exec(context.Background(), "BEGIN; LOCK TABLE h.note IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	p.exec(p.source, "UPDATE h.note SET ver = ver + 1")
	for range 12 { // random bytes do not compress
		p.exec(p.source, "INSERT INTO h.random (pad) SELECT (SELECT string_agg(md5(random()::text || g || i), '') FROM generate_series(1, 30) g) FROM generate_series(1, 1000) i")
	}
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool { return s.Log.Full }) {
		t.Fatalf("engine ended with %d on a full disk:\n%s", e.code, e.out)
	}
	// First room, then apply: what it trims would only be filled again.
	if err := syscall.Mount("tmpfs", changes, "tmpfs", syscall.MS_REMOUNT, "size=200m"); err != nil {
		t.Fatal(err)
	}
	if err := lock.Exec(context.Background(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	// A full log closes the gate of the catch-up.
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool { return !s.Log.Full }) {
		t.Fatalf("engine ended with %d once there was room:\n%s", e.code, e.out)
	}
	p.mustCatchup()
	p.compare()
}

// TestRetainedWALAlarm sets the budget so low that any WAL the source keeps for us is too much.
func TestRetainedWALAlarm(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(100))
	p.o.RetainBudget = 1
	e := startEngine(t, orders{Options: p.o})
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool { return strings.Contains(s.LastError, "retains") }) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
}

// finishWith is finish with an engine that runs.
func (p *pair) finishWith(e *engine, h *hammer) {
	p.t.Helper()
	h.stop()
	if _, err := p.catchup(replicator.CatchupOptions{Timeout: 5 * time.Minute}); err != nil {
		p.t.Fatalf("catch-up: %v\n%s", err, e.out)
	}
	p.compare()
}
