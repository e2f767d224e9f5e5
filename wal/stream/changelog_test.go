package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/checksum/frame"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/changelog"
	"replicator/wal/pgoutput"
	"replicator/wal/stream"
)

var (
	_ stream.Log   = (*changelog.Log)(nil)
	_ stream.Spool = (*changelog.Spool)(nil)
)

// applied is what a reader of the log would have applied.
type applied struct {
	rows, open []string
	position   wal.LSN
	inside     bool
	relations  map[uint32]bool
}

// take follows the records of a frame the way apply does.
func (a *applied) take(sealed []byte) error {
	_, raw, err := frame.Open(sealed, nil)
	if err != nil {
		return err
	}
	var d pgoutput.Message
	return changelog.Records(raw, func(_ wal.LSN, kind changelog.RecordKind, msg []byte) error {
		if kind != changelog.Message {
			a.inside = a.inside && kind != changelog.Restart
			return nil
		}
		if err := pgoutput.Decode(msg, &d); err != nil {
			return err
		}
		switch d.Kind {
		case 'B':
			a.inside, a.open = true, nil
		case 'R':
			a.relations[d.RelationID] = true
		case 'I':
			if !a.relations[d.RelationID] {
				return fmt.Errorf("relation %d is not known", d.RelationID)
			}
			a.open = append(a.open, text(&d))
		case 'M':
			a.open = append(a.open, string(d.Content))
		case 'C':
			if a.inside && d.Commit.EndLSN > a.position {
				a.rows, a.position = append(a.rows, a.open...), d.Commit.EndLSN
			}
			a.inside = false
		}
		return nil
	})
}

// follow reads the log, trims behind itself, and ends when the marker has come or ctx ends.
func (a *applied) follow(ctx context.Context, log *changelog.Log, marker string) error {
	r, err := log.Reader(a.position)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	a.inside, a.relations = false, map[uint32]bool{}
	for !slices.Contains(a.rows[max(0, len(a.rows)-1):], marker) {
		sealed, err := r.Next(ctx)
		if err == nil {
			err = a.take(sealed)
		}
		if err == nil {
			err = log.TrimBefore(a.position)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestChangeLog: with the real log, over its budget again and again, reopened between connections
// that break, every row comes out once and in order.
func TestChangeLog(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newSource(t, cluster.Config{})
	const transactions, rows = 1000, 20
	s.exec(fmt.Sprintf(`DO $$ BEGIN FOR i IN 0..%d LOOP
		INSERT INTO t SELECT i * %d + j, repeat('x', 3000) FROM generate_series(0, %d) j; COMMIT; END LOOP; END $$`, transactions-1, rows, rows-1))
	s.marker("end")
	dir := t.TempDir()
	a := applied{relations: map[uint32]bool{}}
	breaks, patience := 0, 10*time.Millisecond
	for over := false; !over; {
		before := a.position
		log, err := changelog.Open(changelog.Options{Dir: dir + "/log", Job: "test", Start: s.consistent, Budget: 2 << 20, FrameBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		cfg := s.config(newMemory(t, 0))
		cfg.Log, cfg.SyncBytes = log, 256<<10
		if cfg.Spool, err = log.Spool(); err != nil {
			t.Fatal(err)
		}
		r := s.run(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		followed := make(chan error, 1)
		go func() { followed <- a.follow(ctx, log, "end") }()
		select {
		case err = <-followed:
			over = err == nil
			r.cancel()
		case <-time.After(patience + time.Duration(random.IntN(100))*time.Millisecond):
			s.until("SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_replication WHERE application_name = $1", senderName)
			if err := r.wait(); !pg.Lost(err) {
				t.Errorf("Run ended with %v", err)
			}
			breaks++
			cancel()
			err = <-followed
			if a.position == before { // a slow machine: let a connection come further
				patience *= 2
			}
		}
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if st := s.state(); st.Confirmed > log.Durable() {
			t.Errorf("slot has confirmed %s, durable is %s", st.Confirmed, log.Durable())
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d connections broken", breaks)
	for i := range transactions * rows {
		if i >= len(a.rows) || a.rows[i] != fmt.Sprintf("%08x", i) {
			t.Fatalf("%d rows; row %d is not in its place", len(a.rows), i)
		}
	}
}
