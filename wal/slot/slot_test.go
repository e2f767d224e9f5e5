package slot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/slot"
)

func TestLifecycle(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		ctx := t.Context()
		s := newSource(t, cluster.Config{Version: version})
		conn, repl := s.connect(t, "slot"), s.replication(t, "stream")
		system, err := slot.Identify(ctx, repl)
		if err != nil || len(system.ID) < 18 || system.Timeline != 1 || system.Version/10000 != version {
			t.Fatalf("identify: %+v, %v", system, err)
		}
		before := lsn(t, conn)
		consistent, err := slot.Create(ctx, conn, "job_1")
		if err != nil || consistent < before {
			t.Fatalf("create: %s after %s, %v", consistent, before, err)
		}
		for _, c := range []*pg.Conn{conn, repl} {
			st, err := slot.Inspect(ctx, c, "job_1")
			if err != nil {
				t.Fatal(err)
			}
			if !st.Exists || st.Type != "logical" || st.Plugin != slot.Plugin || st.Database != database || st.Connected != database ||
				st.ActivePID != 0 || st.Confirmed != consistent || st.Restart == 0 || st.Restart > consistent || st.Current < consistent ||
				st.WALStatus != "reserved" || st.SafeSize != -1 || st.Invalidation != "" || st.Lost() {
				t.Errorf("inspect: %+v", st)
			}
			if err := slot.Check(st, consistent); err != nil {
				t.Errorf("check: %v", err)
			}
		}
		if _, err := slot.Create(ctx, conn, "job_1"); pg.State(err) != "42710" {
			t.Errorf("create again: %v", err)
		}
		for range 2 {
			if err := slot.Drop(ctx, conn, "job_1", ""); err != nil {
				t.Errorf("drop: %v", err)
			}
		}
		lost(t, conn, "job_1", consistent, "is gone: changes from "+consistent.String())
	})
}

// lost expects Check to say that the position is lost, and why, in one line.
func lost(t *testing.T, conn *pg.Conn, name string, durable wal.LSN, want string) {
	t.Helper()
	st, err := slot.Inspect(t.Context(), conn, name)
	if err != nil {
		t.Fatal(err)
	}
	err = slot.Check(st, durable)
	if fault.CodeOf(err) != fault.PositionLost || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || fault.HintOf(err) == "" {
		t.Errorf("check: %v\nwant %s\n of %+v", err, want, st)
	}
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"job_1": true, strings.Repeat("a", 63): true,
		"": false, strings.Repeat("a", 64): false, "Job": false, "a-b": false, "a'b": false, "ä": false, "a\n": false,
	} {
		if err := slot.ValidName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := slot.Create(t.Context(), nil, "a b"); err == nil {
		t.Error("a bad name was taken")
	}
}

// TestMoved: somebody else confirmed what we have not.
func TestMoved(t *testing.T) {
	s := newSource(t, cluster.Config{})
	conn := s.connect(t, "slot")
	consistent, err := slot.Create(t.Context(), conn, "job")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, s.admin, "INSERT INTO t VALUES (1)")
	to := value(t, s.admin, "SELECT end_lsn FROM pg_replication_slot_advance('job', pg_current_wal_lsn())")
	lost(t, conn, "job", consistent, "has moved to "+to+": changes from "+consistent.String()+" to "+to+" are lost")

	// A position above the end of the WAL: the source was restored from a backup.
	lost(t, conn, "job", lsn(t, conn)+1<<30, "the source was set back")

	// Another plugin, a physical slot, another database.
	exec(t, s.admin, "SELECT pg_create_logical_replication_slot('other', 'test_decoding'), pg_create_physical_replication_slot('physical')")
	lost(t, conn, "other", lsn(t, conn), `is not ours any more (logical, plugin "test_decoding")`)
	lost(t, conn, "physical", lsn(t, conn), "is not ours any more (physical")
	elsewhere := s.open(t, pg.Config{DSN: s.DSNAs(role, "postgres"), Name: "elsewhere"})
	lost(t, elsewhere, "job", lsn(t, conn), `belongs to database "emr", not to "postgres"`)
}

// TestInvalidated: the server removed WAL that the slot needed.
func TestInvalidated(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		s := newSource(t, cluster.Config{Version: version, Settings: map[string]string{
			"max_slot_wal_keep_size": "16MB", "min_wal_size": "32MB", "max_wal_size": "32MB",
		}})
		conn := s.connect(t, "slot")
		consistent, err := slot.Create(t.Context(), conn, "job")
		if err != nil {
			t.Fatal(err)
		}
		st, err := slot.Inspect(t.Context(), conn, "job")
		if err != nil || st.SafeSize <= 0 {
			t.Errorf("safe size: %+v, %v", st, err)
		}
		for range 6 {
			exec(t, s.admin, "INSERT INTO t SELECT coalesce(max(id), 0) + 1 FROM t")
			exec(t, s.admin, "SELECT pg_switch_wal()")
		}
		exec(t, s.admin, "CHECKPOINT")
		lost(t, conn, "job", consistent, "was invalidated")
	})
}

// TestRetained: the WAL that a slot holds back is counted.
func TestRetained(t *testing.T) {
	s := newSource(t, cluster.Config{})
	conn := s.connect(t, "slot")
	if _, err := slot.Create(t.Context(), conn, "job"); err != nil {
		t.Fatal(err)
	}
	before := lsn(t, conn)
	exec(t, s.admin, "SELECT pg_switch_wal()")
	exec(t, s.admin, "INSERT INTO t VALUES (1)")
	st, err := slot.Inspect(t.Context(), conn, "job")
	if err != nil {
		t.Fatal(err)
	}
	if st.Retained < int64(st.Current-before) || st.Retained != int64(st.Current-st.Restart) {
		t.Errorf("retained %d, WAL from %s to %s", st.Retained, before, st.Current)
	}
}

// TestCreateWaits: slot creation waits for a session and a prepared transaction, which Blockers
// names, and leaves nothing behind when it is given up.
func TestCreateWaits(t *testing.T) {
	s := newSource(t, cluster.Config{})
	maker, watcher := s.connect(t, "maker"), s.connect(t, "watch")
	writer := s.open(t, pg.Config{DSN: s.DSN("postgres"), Name: "ward 3"})
	exec(t, writer, "CREATE TABLE w (secret text)")
	exec(t, writer, "BEGIN; INSERT INTO w VALUES ('Mario Rossi')")
	exec(t, s.admin, "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'two phases'")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	made := make(chan error, 1)
	go func() {
		_, err := slot.Create(ctx, maker, "job")
		made <- err
	}()
	pid := value(t, s.admin, "SELECT pid FROM pg_stat_activity WHERE application_name = 'maker'")
	until(t, s.admin, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", pid)
	blockers, err := slot.Blockers(t.Context(), watcher, 0)
	if err != nil {
		t.Fatal(err)
	}
	who := slot.Describe(blockers)
	if len(blockers) != 2 || !strings.Contains(who, `in postgres ("ward 3", idle in transaction)`) ||
		!strings.Contains(who, `prepared transaction "two phases" in emr`) || strings.Contains(who, "Rossi") {
		t.Errorf("blockers: %s", who)
	}
	cancel()
	if err := <-made; !errors.Is(err, context.Canceled) {
		t.Errorf("create: %v", err)
	}
	until(t, s.admin, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid)
	if st, err := slot.Inspect(t.Context(), watcher, "job"); err != nil || st.Exists {
		t.Errorf("a slot was left: %+v, %v", st, err)
	}
	exec(t, s.admin, "COMMIT PREPARED 'two phases'")
	exec(t, writer, "COMMIT")
	if _, err := slot.Create(t.Context(), watcher, "job"); err != nil {
		t.Errorf("create: %v", err)
	}
}

// TestTableChangedMeanwhile: what happens to a table while the slot is being made is known when its rows
// are decoded, on every version.
func TestTableChangedMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		s := newSource(t, cluster.Config{Version: version})
		exec(t, s.admin, "CREATE TABLE emptied (id int PRIMARY KEY); CREATE TABLE wider (id int PRIMARY KEY)")
		exec(t, s.admin, "CREATE PUBLICATION all_tables FOR ALL TABLES")
		maker := s.connect(t, "maker")
		var wards [3]*pg.Conn
		for i := range wards {
			wards[i] = s.open(t, pg.Config{DSN: s.DSN(database), Name: "ward"})
		}
		begin := func(ward *pg.Conn, sql string) (xid string) {
			exec(t, ward, "BEGIN; "+sql)
			return value(t, ward, "SELECT pg_current_xact_id()::xid")
		}
		// waits says that the maker waits for the end of a transaction.
		waits := func(xid string) {
			until(t, s.admin, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND transactionid = $1::xid)", xid)
		}
		before := begin(wards[0], "INSERT INTO t VALUES (1)")
		made := make(chan error, 1)
		go func() {
			_, err := slot.Create(t.Context(), maker, "job")
			made <- err
		}()
		waits(before)
		meanwhile := begin(wards[1], "TRUNCATE emptied; ALTER TABLE wider ADD note text")
		exec(t, wards[0], "COMMIT")
		waits(meanwhile)
		exec(t, wards[2], "INSERT INTO t VALUES (2)")
		exec(t, wards[1], "COMMIT")
		if err := <-made; err != nil {
			t.Fatal(err)
		}
		exec(t, wards[2], "INSERT INTO wider VALUES (1, 'canary')")
		exec(t, wards[2], "INSERT INTO emptied VALUES (1)")
		rows, err := s.admin.Query(t.Context(), `SELECT encode(data, 'escape') FROM pg_logical_slot_peek_binary_changes('job', NULL, NULL,
			'proto_version', '2', 'publication_names', 'all_tables')`)
		if err != nil {
			t.Fatal(err)
		}
		told := ""
		for _, row := range rows {
			told += row[0]
		}
		if !strings.Contains(told, "canary") || !strings.Contains(told, "emptied") {
			t.Errorf("decoded: %q", told)
		}
	})
}

// TestCreateRefused: where our role may not do what Create does behind the slot, it says so, and no slot is left.
func TestCreateRefused(t *testing.T) {
	s := newSource(t, cluster.Config{})
	exec(t, s.admin, "REVOKE EXECUTE ON FUNCTION lo_create(oid) FROM PUBLIC")
	conn := s.connect(t, "slot")
	if _, err := slot.Create(t.Context(), conn, "job"); pg.State(err) != "42501" || !strings.Contains(fault.HintOf(err), "GRANT") {
		t.Errorf("create: %v, %q", err, fault.HintOf(err))
	}
	if st, err := slot.Inspect(t.Context(), conn, "job"); err != nil || st.Exists {
		t.Errorf("a slot was left: %+v, %v", st, err)
	}
}

// TestAwaitRunning: a running transaction newer than every one that has ended does not count in a
// snapshot's xmax, and yet it is waited for.
func TestAwaitRunning(t *testing.T) {
	s := newSource(t, cluster.Config{})
	conn, writer := s.connect(t, "copy"), s.open(t, pg.Config{DSN: s.DSN(database), Name: "writer"})
	exec(t, writer, "BEGIN; INSERT INTO t VALUES (1)")
	if v := value(t, conn, "SELECT pg_snapshot_xmin(s) >= pg_snapshot_xmax(s) FROM pg_current_snapshot() s"); v != "t" {
		t.Fatal("the writer counts in the snapshot: the test does not show what it should")
	}
	var xmax wal.Snapshot
	if err := xmax.UnmarshalText([]byte(value(t, conn, "SELECT pg_current_snapshot()"))); err != nil {
		t.Fatal(err)
	}
	pid := value(t, writer, "SELECT pg_backend_pid()")
	shown, waited := make(chan []slot.Blocker, 1), make(chan error, 1)
	go func() {
		waited <- slot.AwaitRunning(t.Context(), conn, xmax.Xmax, func(b []slot.Blocker) {
			select {
			case shown <- b:
			default:
			}
		})
	}()
	select {
	case b := <-shown:
		if len(b) != 1 || !strings.HasPrefix(slot.Describe(b), "pid "+pid+" ") {
			t.Errorf("shown: %s, writer is %s", slot.Describe(b), pid)
		}
	case err := <-waited:
		t.Fatalf("did not wait: %v", err)
	}
	exec(t, writer, "COMMIT")
	if err := <-waited; err != nil {
		t.Error(err)
	}
	exec(t, writer, "BEGIN; INSERT INTO t VALUES (2)")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := slot.AwaitRunning(ctx, conn, 0, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want the end of ctx, got %v", err)
	}
}

// TestDropEndsOurs: a walsender of a dead engine does not keep the slot, a foreign one does.
func TestDropEndsOurs(t *testing.T) {
	s := newSource(t, cluster.Config{})
	conn, stream := s.connect(t, "replicator/abc/cleanup"), s.replication(t, "replicator/abc/stream")
	if _, err := slot.Create(t.Context(), conn, "job"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	streaming := make(chan error, 1)
	go func() {
		_, err := stream.Raw().Exec(ctx, `START_REPLICATION SLOT "job" LOGICAL 0/0 (proto_version '2', publication_names 'p')`).ReadAll()
		streaming <- err
	}()
	defer func() { cancel(); <-streaming }()
	until(t, s.admin, "SELECT active FROM pg_replication_slots WHERE slot_name = 'job'")
	for _, ours := range []string{"", "replicator/xyz/"} {
		if err := slot.Drop(t.Context(), conn, "job", ours); pg.State(err) != "55006" {
			t.Errorf("drop as %q: %v", ours, err)
		}
	}
	if err := slot.Drop(t.Context(), conn, "job", "replicator/abc/"); err != nil {
		t.Errorf("drop: %v", err)
	}
	if st, err := slot.Inspect(t.Context(), conn, "job"); err != nil || st.Exists {
		t.Errorf("the slot is still there: %+v, %v", st, err)
	}
}

// TestTrialTakesNothing decodes what a slot has, on every version, and leaves it there.
func TestTrialTakesNothing(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		ctx := t.Context()
		s := newSource(t, cluster.Config{Version: version})
		conn := s.connect(t, "slot")
		exec(t, s.admin, `CREATE TABLE tried (id int PRIMARY KEY); CREATE PUBLICATION "odd name" FOR TABLE tried`)
		consistent, err := slot.Create(ctx, conn, "job_1")
		if err != nil {
			t.Fatal(err)
		}
		exec(t, s.admin, "INSERT INTO tried SELECT generate_series(1, 100); SELECT pg_logical_emit_message(true, 'a', 'b')")
		for range 2 {
			if err := slot.Trial(ctx, conn, "job_1", "odd name"); err != nil {
				t.Fatal(err)
			}
		}
		if st, err := slot.Inspect(ctx, conn, "job_1"); err != nil || st.Confirmed != consistent {
			t.Errorf("after the trial: %+v, %v; want %s confirmed", st, err, consistent)
		}
		if err := slot.Trial(ctx, conn, "nowhere", "odd name"); pg.State(err) != "42704" {
			t.Errorf("a slot that is not there: %v", err)
		}
	})
}
