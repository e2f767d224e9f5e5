package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/changelog"
	"replicator/wal/pgoutput"
	"replicator/wal/slot"
	"replicator/wal/stream"
)

// small makes a server stream everything that is larger than this.
var small = map[string]string{"logical_decoding_work_mem": "64kB", "max_prepared_transactions": "10"}

// transcript is a log that notes what every message was, but for descriptions of tables, which a server
// repeats when it likes. A row whose table was not described as it is now is an error.
type transcript struct {
	t *testing.T

	mu      sync.Mutex
	tables  map[uint32]*pgoutput.Relation
	open    [][]byte
	all     [][]byte
	end     wal.LSN
	changed chan struct{}
}

func newTranscript(t *testing.T, start wal.LSN) *transcript {
	return &transcript{t: t, tables: map[uint32]*pgoutput.Relation{}, end: start, changed: make(chan struct{})}
}

func (l *transcript) Restart()       { l.open = nil }
func (l *transcript) Mark(m wal.LSN) { l.mu.Lock(); l.end = m; l.mu.Unlock() }
func (l *transcript) Sync() (wal.LSN, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end, nil
}

func (l *transcript) Append(_ context.Context, _ wal.LSN, msg []byte) error {
	var d pgoutput.Message
	if err := pgoutput.Decode(msg, &d); err != nil {
		return err
	}
	switch d.Kind {
	case 'R':
		l.tables[d.RelationID] = d.Relation
		return nil
	case 'Y':
		return nil
	case 'I', 'U':
		if r := l.tables[d.RelationID]; r == nil || len(r.Columns) != len(d.New) {
			return fmt.Errorf("row of %d columns of relation %d, which is %+v", len(d.New), d.RelationID, r)
		}
	}
	if l.open = append(l.open, bytes.Clone(msg)); d.Kind != 'C' {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) > 2 { // versions differ in whether they send an empty transaction
		l.all = append(l.all, l.open...)
	}
	l.open, l.end = nil, d.Commit.EndLSN
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// await waits until a message with this content has committed, and returns all that came.
func (l *transcript) await(r *running, content string) [][]byte {
	l.t.Helper()
	late := time.After(time.Minute)
	for {
		l.mu.Lock()
		all, changed := l.all, l.changed
		l.mu.Unlock()
		if n := len(all); n > 1 && bytes.HasSuffix(all[n-2], []byte(content)) {
			return all
		}
		select {
		case <-changed:
		case err := <-r.end:
			l.t.Fatalf("Run ended with %v", err)
		case <-late:
			l.t.Fatal("never came")
		}
	}
}

// counting is a spool that knows how much it was given.
type counting struct {
	stream.Spool
	messages atomic.Int64
}

func (c *counting) Append(ctx context.Context, top, xid uint32, lsn wal.LSN, msg []byte) error {
	err := c.Spool.Append(ctx, top, xid, lsn, msg)
	c.messages.Add(1)
	return err
}

// holds waits until the spool was given more than n messages, and returns how many.
func (c *counting) holds(t *testing.T, n int64) int64 {
	t.Helper()
	for range 1000 {
		if have := c.messages.Load(); have > n {
			return have
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d messages are all that came", c.messages.Load())
	return 0
}

// session opens another session of the admin's.
func (s *source) session() *source {
	other := *s
	other.reconnect()
	return &other
}

// realSpool is the one that a change log has.
func realSpool(t *testing.T) stream.Spool {
	t.Helper()
	l, err := changelog.Open(changelog.Options{Dir: t.TempDir() + "/log", Job: "test", Compress: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	spool, err := l.Spool()
	if err != nil {
		t.Fatal(err)
	}
	return spool
}

// rows inserts n rows from id on.
func rows(from, n int) string {
	return fmt.Sprintf("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(%d, %d) i", from, from+n-1)
}

// TestStreamed: transactions that are streamed before they commit reach the log byte for byte as they
// do without, in the order of their commits and without what was rolled back; the server spills
// nothing.
func TestStreamed(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		s := newSource(t, cluster.Config{Version: version, Settings: small})
		s.exec("CREATE TYPE mood AS ENUM ('well', 'ill'); CREATE TABLE u (id int PRIMARY KEY, m mood, v text); CREATE TABLE w (id int PRIMARY KEY); ALTER PUBLICATION " + pg.Ident(publication) + " ADD TABLE u, w")
		s.exec("SELECT pg_drop_replication_slot('stream')")
		var err error
		if s.consistent, err = slot.Create(t.Context(), s.admin, slotName); err != nil {
			t.Fatal(err)
		}
		from, err := slot.Create(t.Context(), s.admin, "whole")
		if err != nil {
			t.Fatal(err)
		}
		log, spool := newTranscript(t, s.consistent), &counting{Spool: realSpool(t)}
		cfg := s.config(nil)
		cfg.Log, cfg.Spool = log, spool
		r := s.run(cfg)
		s.streamedLoad(spool)
		log.await(r, "spills nothing")
		s.until("SELECT stream_txns > 0 FROM pg_stat_replication_slots WHERE slot_name = 'stream'")
		if v := s.value("SELECT spill_txns || ' ' || spill_count FROM pg_stat_replication_slots WHERE slot_name = 'stream'"); v != "0 0" {
			t.Errorf("the source has spilled %s", v)
		}
		// It does spill what it may not send yet: a value that is larger than its memory is one change.
		s.exec("BEGIN; " + rows(800_000, 1000) + "; INSERT INTO t VALUES (200000, repeat('toast', 20000)); UPDATE t SET id = 200001 WHERE id = 200000; " + rows(810_000, 1000) + "; COMMIT")
		s.marker("end")
		got := log.await(r, "end")
		r.cancel()
		whole := newTranscript(t, from)
		cfg = s.config(nil)
		cfg.Log, cfg.Slot, cfg.Streaming = whole, "whole", false
		r = s.run(cfg)
		want := whole.await(r, "end")
		r.cancel()
		if len(want) < 5000 {
			t.Errorf("only %d messages", len(want))
		}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%d messages, want %d; message %d differs: %.100q, want %.100q", len(got), len(want), i, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
			}
		}
	})
}

// streamedLoad is two long transactions at once, small ones between them, and everything that may
// happen inside of one.
func (s *source) streamedLoad(spool *counting) {
	a, b := s.session(), s.session()
	a.exec("BEGIN")
	a.exec(rows(0, 1000))
	n := spool.holds(s.t, 0) // it has not committed, and is here
	b.exec("BEGIN")
	b.exec(rows(100_000, 1000))
	n = spool.holds(s.t, n+500)
	s.exec("INSERT INTO u VALUES (1, 'ill', 'small')")
	a.exec("SAVEPOINT x; " + rows(2000, 1000) + "; SAVEPOINT y; " + rows(3000, 1000) + "; RELEASE y; INSERT INTO u VALUES (2, 'well', 'void')")
	spool.holds(s.t, n+1500)
	a.exec("ROLLBACK TO x; INSERT INTO u VALUES (2, 'well', 'counts'); UPDATE t SET id = -id WHERE id < 500; DELETE FROM t WHERE id BETWEEN 500 AND 600")
	b.exec("SELECT pg_logical_emit_message(true, 'test', 'within'); SELECT pg_logical_emit_message(false, 'test', 'beside')")
	b.exec(rows(210_000, 1000))
	s.exec("BEGIN; " + rows(300_000, 2000) + "; ROLLBACK")
	b.exec("COMMIT")
	// A column more, also in a subtransaction that comes to nothing. It locks the table until the end.
	a.exec("SAVEPOINT z; ALTER TABLE u ADD w int; INSERT INTO u SELECT i, 'ill', 'void', i FROM generate_series(1000, 2000) i; ROLLBACK TO z")
	a.exec("INSERT INTO u SELECT i, 'ill', 'three columns' FROM generate_series(1000, 2000) i")
	a.exec("ALTER TABLE w ADD m mood; INSERT INTO w SELECT i, 'ill' FROM generate_series(3000, 4000) i; COMMIT")
	s.exec("INSERT INTO w VALUES (5000, 'ill'); INSERT INTO u VALUES (5000, 'ill', 'after it')")
	s.exec("BEGIN; " + rows(400_000, 1000) + "; TRUNCATE t; " + rows(500_000, 1000) + "; COMMIT")
	// A prepared one arrives once, when it commits, and one that is rolled back never.
	for i, end := range []string{"COMMIT", "ROLLBACK"} {
		s.exec("BEGIN; " + rows(600_000+10_000*i, 1000) + "; PREPARE TRANSACTION 'ward'")
		s.exec(end + " PREPARED 'ward'")
	}
	// Many subtransactions, every third of them void.
	s.exec(`DO $$ BEGIN FOR i IN 700000..701000 LOOP BEGIN INSERT INTO t VALUES (i, repeat('y', 100));
		IF i % 3 = 0 THEN RAISE division_by_zero; END IF; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$`)
	s.marker("spills nothing")
}

// TestStreamedBroken: connections break while transactions are streamed, the server restarts, and what
// was in the spool comes again: everything once, in order. The slot is confirmed past the beginning
// of transactions that are in the spool and does not lose them.
func TestStreamedBroken(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newSource(t, cluster.Config{Settings: small})
	log, spool := newMemory(t, s.consistent), &counting{Spool: realSpool(t)}
	cfg := s.config(log)
	cfg.Spool, cfg.SyncBytes, cfg.Report = spool, 64<<10, 50*time.Millisecond
	var want []string
	for round := range 8 {
		r := s.run(cfg)
		other := s.session()
		base := (round + 1) * 100_000
		other.exec("BEGIN")
		other.exec(rows(base, 1000))
		spool.holds(t, spool.messages.Load())
		other.exec("SAVEPOINT x; " + rows(base+1000, 1000) + "; ROLLBACK TO x; " + rows(base+2000, 1000))
		s.marker(fmt.Sprint("passes ", round))
		log.awaitMarker(fmt.Sprint("passes ", round))
		want = append(want, fmt.Sprint("M test passes ", round))
		// The small one is confirmed: the large one began before it.
		s.until("SELECT confirmed_flush_lsn >= $1 FROM pg_replication_slots", log.durableLSN().String())
		how := random.IntN(3)
		if how == 0 { // in the middle of it
			s.breakOff(t, r)
			r = s.run(cfg)
		}
		other.exec("COMMIT")
		if how == 1 { // while it is replayed, perhaps
			log.await(func() bool { return log.inside || log.has(fmt.Sprintf("I %08x", base+2999)) })
			s.breakOff(t, r)
			r = s.run(cfg)
		}
		for i := range 1000 {
			want = append(want, fmt.Sprintf("I %08x", base+i))
		}
		for i := range 1000 {
			want = append(want, fmt.Sprintf("I %08x", base+2000+i))
		}
		log.await(func() bool { return log.has(fmt.Sprintf("I %08x", base+2999)) })
		r.cancel()
		if round%4 == 3 {
			s.restart(t)
		}
	}
	got := log.rows()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%d rows, want %d; row %d differs", len(got), len(want), i)
		}
	}
	if st := s.state(); st.Confirmed > log.durableLSN() {
		t.Errorf("slot has confirmed %s, durable is %s", st.Confirmed, log.durableLSN())
	}
	if log.most > 100<<10 {
		t.Errorf("%d bytes between two syncs", log.most)
	}
}

func (s *source) breakOff(t *testing.T, r *running) {
	t.Helper()
	s.until("SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_replication WHERE application_name = $1", senderName)
	if err := r.wait(); !pg.Lost(err) {
		t.Fatalf("Run ended with %v", err)
	}
}

func (s *source) restart(t *testing.T) {
	t.Helper()
	if err := s.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	if err := s.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.reconnect()
}

// TestStreamedSpoolFull: what the spool refuses ends the connection with the change log's error, and a
// connection without streaming gets it whole.
func TestStreamedSpoolFull(t *testing.T) {
	s := newSource(t, cluster.Config{Settings: small})
	l, err := changelog.Open(changelog.Options{Dir: t.TempDir() + "/log", Job: "test", Start: s.consistent, Budget: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	log := newMemory(t, s.consistent)
	cfg := s.config(log)
	if cfg.Spool, err = l.Spool(); err != nil {
		t.Fatal(err)
	}
	r := s.run(cfg)
	s.exec(rows(0, 5000))
	if err := r.wait(); !errors.Is(err, changelog.ErrFull) {
		t.Fatalf("Run ended with %v", err)
	}
	if l.Spooled() != 0 {
		t.Errorf("%d bytes are left in the spool", l.Spooled())
	}
	cfg.Streaming = false
	r = s.run(cfg)
	s.marker("end")
	log.awaitMarker("end")
	r.cancel()
	if n := len(log.rows()); n != 5001 {
		t.Errorf("%d rows", n)
	}
}
