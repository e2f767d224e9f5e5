package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/changelog"
)

// terminate ends apply's session on the target and waits until it is gone.
func (p *pair) terminate() {
	rows, err := p.dst.Query(context.Background(), `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
		WHERE application_name = 'apply' AND datname = current_database()`)
	if err != nil || len(rows) == 0 || rows[0][0] != "t" {
		p.t.Errorf("terminate: %v %v", rows, err)
	}
}

const retrySchema = "CREATE TABLE a (k int PRIMARY KEY, v int); CREATE TABLE log (x int); ALTER TABLE log REPLICA IDENTITY FULL"

// busy writes transactions of which a second application would show: log has no key.
func (p *pair) busy() {
	for i := range 6 {
		p.source(fmt.Sprintf("BEGIN; INSERT INTO a SELECT g, 0 FROM generate_series(%d, %d) g; UPDATE a SET v = v + 1; INSERT INTO log SELECT g FROM generate_series(1, 25) g; COMMIT", i*10, i*10+5),
			"DELETE FROM log WHERE x = 25")
	}
}

func TestLostAtEveryHook(t *testing.T) {
	for _, point := range []string{BeforeCommit, AfterCommit} {
		for n := range 5 {
			t.Run(fmt.Sprint(point, n), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, retrySchema)
				p.cfg.Limits.Changes = 80
				calls := 0
				p.cfg.Hook = func(at string) {
					if at == point {
						if calls == n {
							p.terminate()
						}
						calls++
					}
				}
				p.busy()
				p.apply()
				p.same()
				if calls <= n || !strings.Contains(p.log.String(), "trying again") {
					t.Errorf("%d calls\n%s", calls, p.log.String())
				}
			})
		}
	}
}

// TestLostInsideBigTransaction cannot be mended from memory: the caller starts again.
func TestLostInsideBigTransaction(t *testing.T) {
	p := newPair(t, retrySchema)
	p.cfg.Limits.Changes = 10
	p.source("INSERT INTO a VALUES (1, 1)", "INSERT INTO a SELECT g, 0 FROM generate_series(100, 200) g", "INSERT INTO a VALUES (2, 2)")
	recs := p.pull(true)
	calls := 0
	p.cfg.Hook = func(at string) {
		if at == BeforeCommit {
			if calls++; calls == 2 {
				p.terminate()
			}
		}
	}
	_, err := p.try(recs)
	restart := wantCode[*RestartError](t, err)
	if !pg.Lost(restart) {
		t.Errorf("have %v", err)
	}
	if n := query(t, p.dst, "SELECT count(*) FROM a")[0][0]; n != "1" {
		t.Errorf("%s rows, want the first transaction only", n)
	}
	p.applied(recs)
	p.same()
}

// cutter is a TCP proxy that, once armed, swallows the server's next answer and hangs up: the
// outcome of what was sent is not known to the client.
type cutter struct {
	l     net.Listener
	armed atomic.Bool
}

func newCutter(t *testing.T) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{l: l}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			backend, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", server.Port()))
			if err != nil {
				client.Close()
				continue
			}
			go func() { io.Copy(backend, client); backend.Close() }()
			go c.answers(client, backend)
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return c
}

func (c *cutter) answers(client, backend net.Conn) {
	defer client.Close()
	defer backend.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := backend.Read(buf)
		if err != nil || c.armed.CompareAndSwap(true, false) {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestUnknownOutcome(t *testing.T) {
	for n := range 4 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			p, cut := newPair(t, retrySchema), newCutter(t)
			dsn := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=%st sslmode=disable", cut.l.Addr().(*net.TCPAddr).Port, p.name)
			p.cfg.Connect = func(ctx context.Context) (*pg.Conn, error) {
				return pg.Connect(ctx, pg.Config{DSN: dsn, Name: "apply", Settings: map[string]string{"session_replication_role": "replica"}})
			}
			p.cfg.Limits.Changes = 80
			calls := 0
			p.cfg.Hook = func(at string) {
				if at == BeforeCommit {
					if calls == n {
						cut.armed.Store(true)
					}
					calls++
				}
			}
			p.busy()
			p.apply()
			p.same()
			if calls <= n || !strings.Contains(p.log.String(), "trying again") {
				t.Errorf("%d calls\n%s", calls, p.log.String())
			}
		})
	}
}

// TestDeadlockIsRetried makes apply the victim: it holds a and goes for b last, with the shorter
// deadlock_timeout. An advisory lock that a trigger takes holds it up in between.
func TestDeadlockIsRetried(t *testing.T) {
	p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, v int); CREATE TABLE b (k int PRIMARY KEY, v int)")
	p.both("INSERT INTO a VALUES (1, 0); INSERT INTO b VALUES (1, 0)")
	p.source("BEGIN; UPDATE a SET v = 1; UPDATE b SET v = 1; COMMIT")
	p.on(p.dst, `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
		CREATE TRIGGER hold AFTER UPDATE ON a FOR EACH ROW EXECUTE FUNCTION hold(); ALTER TABLE a ENABLE ALWAYS TRIGGER hold`)
	inner := p.cfg.Connect
	p.cfg.Connect = func(ctx context.Context) (*pg.Conn, error) {
		c, err := inner(ctx)
		if err != nil {
			return nil, err
		}
		return c, c.Exec(ctx, "SET deadlock_timeout = '10ms'")
	}
	other := connect(t, p.dsn)
	defer other.Close()
	p.on(other, "SET deadlock_timeout = '1h'; BEGIN; SELECT * FROM public.b FOR UPDATE")
	p.on(p.dst, "SELECT pg_advisory_lock(1)")
	waits := func(kinds string) {
		p.on(p.dst, `DO $$BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity USING (pid)
			WHERE datname = current_database() AND NOT granted AND l.locktype IN (`+kinds+`)) LOOP PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP; END$$`)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		waits("'advisory'")
		locked := make(chan struct{})
		go func() {
			defer close(locked)
			p.on(other, "SELECT * FROM public.a FOR UPDATE; ROLLBACK")
		}()
		waits("'transactionid', 'tuple'")
		p.on(p.dst, "SELECT pg_advisory_unlock(1)")
		<-locked
	}()
	p.apply()
	<-done
	p.same()
	if !strings.Contains(p.log.String(), "40P01") {
		t.Errorf("no deadlock\n%s", p.log.String())
	}
}

func TestFence(t *testing.T) {
	p := newPair(t, retrySchema)
	p.cfg.Limits.Changes = 5
	p.cfg.Hook = func(at string) {
		if at == AfterCommit {
			if err := p.dst.Exec(context.Background(), "UPDATE replicator.job SET epoch = 2"); err != nil {
				t.Error(err)
			}
		}
	}
	p.source("INSERT INTO a SELECT g, 1 FROM generate_series(1, 5) g", "INSERT INTO a SELECT g, 1 FROM generate_series(6, 10) g", "INSERT INTO log VALUES (1)")
	recs := p.pull(true)
	res, err := p.try(recs)
	if fault.CodeOf(err) != fault.Fenced {
		t.Fatalf("have %v", err)
	}
	if n := query(t, p.dst, "SELECT count(*) FROM a")[0][0]; n != "5" || res.Transactions != 1 || res.Applied != p.position() {
		t.Errorf("%s rows, %+v", n, res)
	}
	if _, err := p.try(recs); fault.CodeOf(err) != fault.Fenced {
		t.Errorf("at start: have %v", err)
	}
}

// TestSomebodyElseMovesThePosition with our own epoch.
func TestSomebodyElseMovesThePosition(t *testing.T) {
	p := newPair(t, retrySchema)
	p.cfg.Limits.Changes = 1
	p.cfg.Hook = func(at string) {
		if at == AfterCommit {
			if err := p.dst.Exec(context.Background(), "UPDATE replicator.position SET lsn = 'FF/0'"); err != nil {
				t.Error(err)
			}
		}
	}
	p.source("INSERT INTO a VALUES (1, 1)", "INSERT INTO a VALUES (2, 2)")
	if _, err := p.try(p.pull(true)); fault.CodeOf(err) != fault.Fenced {
		t.Fatalf("have %v", err)
	}
	if n := query(t, p.dst, "SELECT count(*) FROM a")[0][0]; n != "1" {
		t.Errorf("%s rows", n)
	}
}

// TestBrokenStream has the stream break off inside transactions, small and large, and begin them
// again; and a source that begins inside one that is applied already.
func TestBrokenStream(t *testing.T) {
	for _, limit := range []int{1000, 7} {
		p := newPair(t, retrySchema)
		p.cfg.Limits.Changes = limit
		p.busy()
		recs := p.pull(true)
		var broken []record
		for i, r := range recs {
			broken = append(broken, r)
			if r.msg[0] == 'B' || i%40 == 39 { // again from the Begin of this transaction
				from := i
				for recs[from].msg[0] != 'B' && from > 0 {
					from--
				}
				broken = append(broken, record{lsn: r.lsn, kind: changelog.Restart})
				broken = append(broken, recs[from:i+1]...)
			}
		}
		p.applied(broken)
		p.same()
		for i, r := range recs {
			if r.msg[0] == 'I' {
				res := p.applied(recs[i:])
				if res.Changes != 0 {
					t.Errorf("applied again: %+v", res)
				}
				break
			}
		}
		p.same()
	}
}

func TestCanceled(t *testing.T) {
	p := newPair(t, retrySchema)
	p.busy()
	ctx, cancel := context.WithCancel(t.Context())
	p.cfg.Progress = func(Progress) { cancel() }
	src := sealAll(p.pull(true), 10)
	src.wait = true
	if _, err := Run(ctx, p.cfg, src); !errors.Is(err, context.Canceled) {
		t.Errorf("have %v", err)
	}
}

func TestMarkersAndMarks(t *testing.T) {
	p := newPair(t, retrySchema)
	emit := func(transactional bool, content string) wal.LSN {
		t.Helper()
		at, err := wal.ParseLSN(query(t, p.src, fmt.Sprintf("SELECT pg_logical_emit_message(%v, 'replicator', $1)", transactional), content)[0][0])
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	p.source("INSERT INTO a VALUES (1, 1)", "INSERT INTO a VALUES (2, 1)", "SELECT pg_logical_emit_message(false, 'other', 'fence')")
	fence := emit(false, "fence")
	p.source("INSERT INTO a VALUES (3, 1)")
	second := emit(true, "second")
	p.source("INSERT INTO a VALUES (4, 1)")
	recs := p.pull(true)

	p.cfg.Until = "fence"
	res := p.applied(recs)
	if res.Markers["fence"] != fence || res.Applied != fence || res.Before["fence"] != 2 || res.TransactionsSinceMarker != 0 || res.Transactions != 2 {
		t.Errorf("have %+v, want the fence at %s", res, fence)
	}
	if p.position() != fence {
		t.Errorf("position %s, want %s", p.position(), fence)
	}
	p.cfg.Until = "second"
	res = p.applied(recs)
	if res.Markers["second"] < second || res.Before["second"] != 1 || res.Transactions != 1 || res.Applied != res.Markers["second"] {
		t.Errorf("have %+v, want the second at %s", res, second)
	}
	p.cfg.Until = "fence" // the target is beyond it
	if res = p.applied(recs); res.Transactions != 0 || res.Markers["fence"] != fence {
		t.Errorf("have %+v", res)
	}
	p.cfg.Until = ""
	if res = p.applied(recs); res.TransactionsSinceMarker != 1 {
		t.Errorf("have %+v", res)
	}
	p.same()

	end := res.Applied + 0x1000
	res = p.applied([]record{{lsn: end, kind: changelog.Mark}, {lsn: end - 8, kind: changelog.Mark}})
	if res.Applied != end || p.position() != end {
		t.Errorf("mark: applied %s, position %s, want %s", res.Applied, p.position(), end)
	}
}
