package stream_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/stream"
)

// TestOrder: commits arrive in their order, whole, and are confirmed when Run ends.
func TestOrder(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		s := newSource(t, cluster.Config{Version: version})
		log := newMemory(t, s.consistent)
		cfg := s.config(log)
		cfg.Binary = false
		var last stream.Progress
		cfg.Progress = func(p stream.Progress) { last = p }
		began := time.Now()
		r := s.run(cfg)
		s.exec("BEGIN; INSERT INTO t VALUES (1, 'a'), (2, 'b'); SAVEPOINT x; INSERT INTO t VALUES (3, 'c'); ROLLBACK TO x; COMMIT")
		s.exec("UPDATE t SET id = 5 WHERE id = 2")
		s.exec("INSERT INTO unpublished VALUES (1)")
		s.exec("SELECT pg_logical_emit_message(false, 'test', 'outside of transactions')")
		s.exec("DELETE FROM t WHERE id = 1; TRUNCATE t")
		s.marker("end")
		log.awaitMarker("end")
		r.cancel()
		want := []string{"I 1", "I 2", "U 5", "D 1", "M test end"}
		if got := log.rows(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		st := s.state()
		if st.ActivePID != 0 || st.Confirmed != log.durableLSN() || st.Confirmed <= s.consistent {
			t.Errorf("durable %s, slot %+v", log.durableLSN(), st)
		}
		if last.Received != st.Confirmed || last.Durable != st.Confirmed || last.ServerEnd < s.consistent || last.Bytes < 100 || last.Transactions < 4 ||
			last.LastCommit.Before(began.Add(-time.Minute)) || last.LastCommit.After(time.Now().Add(time.Minute)) {
			t.Errorf("progress %+v", last)
		}
	})
}

// TestBinary: the same in binary, on a fresh connection each time.
func TestBinary(t *testing.T) {
	s := newSource(t, cluster.Config{})
	log := newMemory(t, s.consistent)
	var want []string
	for i := range 3 {
		r := s.run(s.config(log))
		s.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		s.marker(fmt.Sprint(i))
		log.awaitMarker(fmt.Sprint(i))
		r.cancel()
		want = append(want, fmt.Sprintf("I %08x", i), fmt.Sprintf("M test %d", i))
	}
	if got := log.rows(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPrompt: a commit is durable at once although nothing comes after it.
func TestPrompt(t *testing.T) {
	s := newSource(t, cluster.Config{})
	log := newMemory(t, s.consistent)
	r := s.run(s.config(log))
	began := time.Now()
	const commits = 20
	for i := range commits {
		s.marker(fmt.Sprint(i))
		log.awaitMarker(fmt.Sprint(i))
	}
	if took := time.Since(began); took > commits*500*time.Millisecond {
		t.Errorf("%d commits took %s", commits, took)
	}
	r.cancel()
}

// TestBroken: connections that break at any moment lose nothing, repeat nothing, and never have the
// slot confirm more than is durable (I4).
func TestBroken(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newSource(t, cluster.Config{})
	log := newMemory(t, s.consistent)
	cfg := s.config(log)
	const transactions, rows = 400, 20
	written := make(chan error, 1)
	go func() {
		conn, err := pg.Connect(t.Context(), pg.Config{DSN: s.DSN("emr"), Name: "writer"})
		for i := 0; i < transactions && err == nil; i++ {
			err = conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO public.t SELECT i, repeat('x', 3000) FROM generate_series(%d, %d) i", i*rows, i*rows+rows-1))
		}
		if err == nil {
			err = conn.Exec(t.Context(), "SELECT pg_logical_emit_message(true, 'test', 'end')")
		}
		written <- err
	}()
	for breaks := 0; ; breaks++ {
		r := s.run(cfg)
		syncs := 1 + random.IntN(20)
		log.mu.Lock()
		syncs += log.syncs
		log.mu.Unlock()
		log.await(func() bool { return log.syncs >= syncs || log.has("M test end") })
		if st := s.state(); st.Confirmed > log.durableLSN() {
			t.Fatalf("slot has confirmed %s, durable is %s", st.Confirmed, log.durableLSN())
		}
		s.until("SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_replication WHERE application_name = $1", senderName)
		if err := r.wait(); !pg.Lost(err) {
			t.Fatalf("Run ended with %v", err)
		}
		if log.mu.Lock(); log.has("M test end") {
			log.mu.Unlock()
			t.Logf("%d connections broken, %d in a transaction", breaks+1, log.restarts)
			break
		}
		log.mu.Unlock()
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	got := log.rows()
	for i := range transactions * rows {
		if i >= len(got) || got[i] != fmt.Sprintf("I %08x", i) {
			t.Fatalf("row %d is %q", i, got[min(i, len(got)-1)])
		}
	}
	if len(got) != transactions*rows+1 {
		t.Errorf("%d rows", len(got))
	}
}

// TestStepBack: a crash of the source takes the slot back; what is durable is not taken again.
func TestStepBack(t *testing.T) {
	s := newSource(t, cluster.Config{})
	s.exec("CHECKPOINT") // which writes the slot's state to disk, as the next confirmation does, for the catalogs it needs
	log := newMemory(t, s.consistent)
	r := s.run(s.config(log))
	s.marker("written")
	log.awaitMarker("written")
	r.cancel()
	r = s.run(s.config(log))
	s.exec("INSERT INTO t VALUES (1)")
	s.marker("before")
	log.awaitMarker("before")
	r.cancel()
	confirmed := s.state().Confirmed
	r = s.run(s.config(log))
	s.exec("INSERT INTO t VALUES (2)")
	s.marker("open")
	log.awaitMarker("open")
	if err := s.Restart(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	if err := r.wait(); !pg.Lost(err) {
		t.Errorf("Run ended with %v", err)
	}
	s.reconnect()
	if st := s.state(); st.Confirmed >= confirmed {
		t.Fatalf("the slot did not step back: %s, was %s", st.Confirmed, confirmed)
	}
	r = s.run(s.config(log))
	s.exec("INSERT INTO t VALUES (3)")
	s.marker("after")
	log.awaitMarker("after")
	r.cancel()
	want := []string{"M test written", "I 00000001", "M test before", "I 00000002", "M test open", "I 00000003", "M test after"}
	if got := log.rows(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestIdleMark: a slot on a database where nothing published happens moves on, by marks.
func TestIdleMark(t *testing.T) {
	s := newSource(t, cluster.Config{Settings: map[string]string{"wal_sender_timeout": "1s"}})
	log := newMemory(t, s.consistent)
	r := s.run(s.config(log))
	s.until("SELECT active FROM pg_replication_slots")
	s.exec("INSERT INTO unpublished SELECT i FROM generate_series(1, 1000) i")
	end, err := wal.ParseLSN(s.value("SELECT pg_current_wal_lsn()"))
	if err != nil {
		t.Fatal(err)
	}
	log.await(func() bool { return log.durable >= end })
	s.until("SELECT confirmed_flush_lsn >= $1::pg_lsn FROM pg_replication_slots", end.String())
	r.cancel()
	if log.marks == 0 || len(log.rows()) != 0 {
		t.Errorf("%d marks, rows %q", log.marks, log.rows())
	}
}

// TestHeldUp: a log without room keeps the connection alive for much longer than wal_sender_timeout,
// though the server cannot write to it either.
func TestHeldUp(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		t.Parallel()
		s := newSource(t, cluster.Config{Version: version, Settings: map[string]string{"wal_sender_timeout": "1s"}})
		log := newMemory(t, s.consistent)
		release := log.block()
		cfg := s.config(log)
		var sent atomic.Int64
		enough := make(chan struct{})
		cfg.Hook = func(point string) {
			if point == stream.StatusSent && sent.Add(1) == 12 { // each 250 ms: three times the timeout
				close(enough)
			}
		}
		r := s.run(cfg)
		s.exec("INSERT INTO t SELECT i, repeat('x', 10000) FROM generate_series(1, 3000) i") // more than sockets hold
		s.marker("end")
		log.await(func() bool { return log.held > 0 })
		pid := s.state().ActivePID
		select {
		case <-enough:
		case err := <-r.end:
			t.Fatalf("Run ended with %v", err)
		case <-time.After(time.Minute):
			t.Fatal("no status updates while the log has no room")
		}
		if st := s.state(); st.ActivePID != pid || st.Confirmed > log.durableLSN() {
			t.Errorf("walsender was %d, slot is %+v", pid, st)
		}
		release()
		log.awaitMarker("end")
		if now := s.state().ActivePID; now != pid {
			t.Errorf("walsender was %d, is %d", pid, now)
		}
		r.cancel()
		if n := len(log.rows()); n != 3001 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestFastShutdown: the source stops quickly although we cannot confirm what it waits for.
func TestFastShutdown(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		for name, hold := range map[string]func(*source, *memory, *stream.Config){
			"idle": func(*source, *memory, *stream.Config) {},
			"log without room": func(_ *source, log *memory, _ *stream.Config) {
				log.block()
			},
			"confirm waits for the target": func(s *source, _ *memory, cfg *stream.Config) {
				cfg.Confirm = func(wal.LSN) wal.LSN { return s.consistent }
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSource(t, cluster.Config{Version: version})
				log := newMemory(t, s.consistent)
				cfg := s.config(log)
				cfg.Report = time.Second
				hold(s, log, &cfg)
				r := s.run(cfg)
				s.exec("INSERT INTO t SELECT i, repeat('x', 10000) FROM generate_series(1, 3000) i")
				s.marker("end")
				log.await(func() bool { return log.held > 0 || log.has("M test end") })
				within(t, 6*time.Second, "fast shutdown", func(ctx context.Context) error { return s.Stop(ctx, "fast") })
				if err := r.wait(); !pg.Lost(err) {
					t.Errorf("Run ended with %v", err)
				}
			})
		}
	})
}

// TestBigTransaction: a large transaction is synced by bytes as it comes; given up in its middle it
// comes again whole.
func TestBigTransaction(t *testing.T) {
	s := newSource(t, cluster.Config{})
	log := newMemory(t, s.consistent)
	cfg := s.config(log)
	cfg.SyncBytes = 1 << 20
	const rows = 20000
	s.exec(fmt.Sprintf("INSERT INTO t SELECT i, repeat('x', 2500) FROM generate_series(1, %d) i", rows))
	r := s.run(cfg)
	log.await(func() bool { return log.syncs > 5 })
	r.cancel()
	log.mu.Lock()
	if !log.inside || len(log.synced) != 0 || log.durable != s.consistent {
		t.Errorf("inside %v, %d transactions, durable %s", log.inside, len(log.synced), log.durable)
	}
	log.mu.Unlock()
	r = s.run(cfg)
	s.marker("end")
	log.awaitMarker("end")
	r.cancel()
	if n := len(log.rows()); n != rows+1 || log.restarts != 1 {
		t.Errorf("%d rows, %d restarts", n, log.restarts)
	}
	if log.most > 1<<20+1<<16 || log.syncs < rows*2500>>20 {
		t.Errorf("%d syncs, %d bytes between two", log.syncs, log.most)
	}
}

// TestHugeRow: a message larger than all buffers.
func TestHugeRow(t *testing.T) {
	s := newSource(t, cluster.Config{})
	log := newMemory(t, s.consistent)
	r := s.run(s.config(log))
	s.exec("INSERT INTO t VALUES (1, repeat('x', 60000000))")
	s.exec("INSERT INTO t VALUES (2, 'small')")
	s.marker("end")
	log.awaitMarker("end")
	r.cancel()
	if got := log.rows(); !slices.Equal(got, []string{"I 00000001", "I 00000002", "M test end"}) || log.most < 60000000 {
		t.Errorf("got %q", got)
	}
}

// TestGroup: many small transactions share syncs.
func TestGroup(t *testing.T) {
	s := newSource(t, cluster.Config{Settings: map[string]string{"synchronous_commit": "off"}})
	const transactions = 3000
	s.exec(fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP INSERT INTO t VALUES (i); COMMIT; END LOOP; END $$", transactions))
	s.marker("end")
	log := newMemory(t, s.consistent)
	r := s.run(s.config(log))
	log.awaitMarker("end")
	r.cancel()
	if n := len(log.rows()); n != transactions+1 || log.syncs > transactions/20 {
		t.Errorf("%d transactions, %d syncs", n, log.syncs)
	}
}

// TestHeldCancel: a Run that waits in the log ends when told to.
func TestHeldCancel(t *testing.T) {
	s := newSource(t, cluster.Config{})
	log := newMemory(t, s.consistent)
	log.block()
	r := s.run(s.config(log))
	s.exec("INSERT INTO t VALUES (1)")
	log.await(func() bool { return log.held > 0 })
	r.cancel()
	if st := s.state(); st.Confirmed != s.consistent {
		t.Errorf("confirmed %s, slot began at %s", st.Confirmed, s.consistent)
	}
}

// TestPositionLost: a slot that has moved past us, or is gone, is not read from.
func TestPositionLost(t *testing.T) {
	s := newSource(t, cluster.Config{})
	log := newMemory(t, s.consistent)
	s.exec("INSERT INTO t VALUES (1)")
	s.exec("SELECT pg_replication_slot_advance('stream', pg_current_wal_lsn())")
	for range 2 {
		if err := s.run(s.config(log)).wait(); fault.CodeOf(err) != fault.PositionLost {
			t.Errorf("Run ended with %v", err)
		}
		if s.state().Exists {
			s.exec("SELECT pg_drop_replication_slot('stream')")
		}
	}
	if len(log.rows()) != 0 {
		t.Errorf("rows %q", log.rows())
	}
}

// TestErrors: what a caller has to tell apart.
func TestErrors(t *testing.T) {
	s := newSource(t, cluster.Config{})
	log := newMemory(t, s.consistent)
	r := s.run(s.config(log))
	s.until("SELECT active FROM pg_replication_slots")
	if err := run(t, s.config(newMemory(t, s.consistent))).wait(); !stream.Busy(err) || pg.Lost(err) {
		t.Errorf("slot in use: %v", err)
	}
	r.cancel()

	cfg := s.config(log)
	cfg.Publication = "missing"
	missing := s.run(cfg)
	s.exec("INSERT INTO t VALUES (1)")
	if err := missing.wait(); pg.State(err) != "42704" {
		t.Errorf("publication missing: %v", err)
	}

	cfg = s.config(log)
	cfg.Report = time.Millisecond
	cfg.Confirm = func(durable wal.LSN) wal.LSN { return durable + 1 }
	if err := s.run(cfg).wait(); err == nil || pg.Lost(err) {
		t.Errorf("confirm above durable: %v", err)
	}
	if st := s.state(); st.Confirmed > log.durableLSN() {
		t.Errorf("confirmed %s, durable %s", st.Confirmed, log.durableLSN())
	}
}

// TestSilence: a server that says nothing any more is given up.
func TestSilence(t *testing.T) {
	s := newSource(t, cluster.Config{})
	log := newMemory(t, s.consistent)
	cfg := s.config(log)
	cfg.Silence, cfg.Report = time.Second, 100*time.Millisecond
	r := s.run(cfg)
	s.marker("begin")
	log.awaitMarker("begin")
	pid := s.state().ActivePID
	signal(t, pid, syscall.SIGSTOP)
	defer signal(t, pid, syscall.SIGCONT)
	if err := r.wait(); !pg.Lost(err) {
		t.Errorf("Run ended with %v", err)
	}
}

// TestUnreachable: no server at all.
func TestUnreachable(t *testing.T) {
	s := newSource(t, cluster.Config{})
	if err := s.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	if err := run(t, s.config(newMemory(t, s.consistent))).wait(); !pg.Lost(err) {
		t.Errorf("Run ended with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := stream.Run(ctx, s.config(newMemory(t, s.consistent))); err != context.Canceled {
		t.Errorf("Run on a context that has ended: %v", err)
	}
}
