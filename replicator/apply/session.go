package apply

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal"
)

// prepare is what the session needs beyond what pg pins. Plans are made for the arrays at hand:
// a generic plan takes ten rows for granted, whatever is sent.
const prepare = `SET plan_cache_mode = force_custom_plan; SET jit = off; SET random_page_cost = 1.1`

// session is one connection to the target, and the transaction open on it. Statements are
// pipelined: they are queued, and their results read by drain. One shard, one session, one
// position row; windows commit in order.
type session struct {
	conn  *pg.Conn
	job   string
	epoch int64
	shard int

	pipe     *pgconn.Pipeline // nil between pipelines
	queue    []expected
	unsent   int
	prepared int // statements prepared on this connection, for names and for the bound
	gen      int // counts how often they were all dropped
	from     wal.LSN
	missed   func(rel *relation, n int64)
}

// expected is a result to come.
type expected struct {
	what byte // what to make of it, see below
	rel  *relation
	tx   int32 // index in window.txs, -1: no particular one
	want int64 // rows, for whatRows
}

const (
	whatNothing  = iota // only that it succeeded
	whatPrepare         // a prepared statement
	whatRows            // rows hit
	whatFence           // the job row
	whatPosition        // the position row
)

// failure is an error of a statement, with what it was for.
type failure struct {
	rel *relation
	tx  int32
	err error
}

func (f *failure) Error() string {
	if f.rel == nil {
		return f.err.Error()
	}
	return "table " + f.rel.table.String() + ": " + f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// errMoved says that the position row is not where the window starts: an earlier COMMIT whose
// outcome was not known did go through, or somebody else wrote.
var errMoved = errors.New("the target's position is not the expected one")

func openSession(ctx context.Context, cfg *Config, missed func(*relation, int64)) (*session, error) {
	conn, err := cfg.Connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, job: cfg.Job, epoch: cfg.Epoch, missed: missed}
	if err := conn.Exec(ctx, prepare); err != nil {
		conn.Close()
		return nil, fmt.Errorf("set up session: %w", err)
	}
	return s, nil
}

func (s *session) close() {
	if s != nil && s.conn != nil {
		if s.pipe != nil {
			s.pipe.Close()
			s.pipe = nil
		}
		s.conn.Close()
	}
}

// position reads the position row, and checks the epoch.
func (s *session) position(ctx context.Context) (wal.LSN, error) {
	rows, err := s.conn.Query(ctx, `SELECT p.lsn, j.epoch = $3 FROM replicator.job j
		JOIN replicator.position p ON p.job = j.job WHERE j.job = $1 AND p.shard = $2`,
		s.job, strconv.Itoa(s.shard), strconv.FormatInt(s.epoch, 10))
	if err != nil {
		return 0, fmt.Errorf("read position: %w", err)
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("read position: the target has no row for job %s shard %d", s.job, s.shard)
	}
	if rows[0][1] != "t" {
		return 0, fenced()
	}
	return wal.ParseLSN(rows[0][0])
}

func fenced() error {
	return fault.New(fault.Fenced, errors.New("another engine owns the job: its epoch in the target is not ours"), "")
}

// begin queues the start of a transaction that goes on from position from: fence, position lock.
// The lock waits for the outcome of a COMMIT that a lost connection left open.
func (s *session) begin(ctx context.Context, from wal.LSN) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	s.from = from
	job, epoch, shard := []byte(s.job), []byte(strconv.FormatInt(s.epoch, 10)), []byte(strconv.Itoa(s.shard))
	s.send("BEGIN ISOLATION LEVEL READ COMMITTED", expected{})
	s.send("SELECT 1 FROM replicator.job WHERE job = $1 AND epoch = $2 FOR SHARE", expected{what: whatFence}, job, epoch)
	s.send("SELECT lsn FROM replicator.position WHERE job = $1 AND shard = $2 FOR UPDATE", expected{what: whatPosition}, job, shard)
	s.send("SET CONSTRAINTS ALL DEFERRED", expected{})
	return nil
}

// advance queues the new position.
func (s *session) advance(to wal.LSN) {
	s.send("UPDATE replicator.position SET lsn = $3 WHERE job = $1 AND shard = $2", expected{},
		[]byte(s.job), []byte(strconv.Itoa(s.shard)), []byte(to.String()))
}

// commit ends the transaction; everything queued has been drained.
func (s *session) commit(ctx context.Context) error {
	if err := s.idle(); err != nil {
		return err
	}
	tag, err := s.conn.Raw().Exec(ctx, "COMMIT").ReadAll()
	if err != nil {
		return &failure{tx: -1, err: s.conn.Clean(err)}
	}
	if len(tag) != 1 || tag[0].CommandTag.String() != "COMMIT" {
		return fmt.Errorf("commit: the target rolled back")
	}
	return nil
}

// rollback ends the transaction, and forgets prepared statements: the pipeline may have broken
// off before some of them.
func (s *session) rollback(ctx context.Context) error {
	if err := s.recover(ctx, "ROLLBACK"); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// recover leaves a failed pipeline and runs sql, which makes the transaction usable again.
func (s *session) recover(ctx context.Context, sql string) error {
	s.abandon()
	if err := s.conn.Exec(ctx, sql); err != nil {
		return err
	}
	return s.forget(ctx)
}

// query runs a catalog query, inside the transaction if there is one.
func (s *session) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	if err := s.drain(ctx); err != nil {
		return nil, err
	}
	if err := s.idle(); err != nil {
		return nil, err
	}
	return s.conn.Query(ctx, sql, args...)
}
