package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"replicator/chunker"
	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/status"
	"replicator/wal"
)

// Config says which database and which job.
type Config struct {
	DSN        string
	Job        string // unique, without quotes or slashes
	SearchPath string // of the source's database, for functions in constraints and index expressions
	Limits     apply.Limits
	StepJobs   int // single steps that run at once, as indexes are built; 0 is one
	// Scratch is for measurements: the job is [ScratchJob], works in [ScratchSchema] alone, and leaves the
	// database writable for others.
	Scratch bool
	Logger  *slog.Logger
	Hook    func(point string) // nil, or called at dangerous instants
}

// What replicator bench makes in a target database; no job can have that name.
const (
	ScratchJob    = "replicator.bench"
	ScratchSchema = "replicator_bench"
)

// Local is the target end in the same process.
type Local struct {
	cfg     Config
	epoch   atomic.Int64
	lock    *pg.Conn // holds the advisory lock of the job
	plain   *sessions
	writers *sessions
	lookups *sessions
	steps   chan struct{} // one for each of Config.StepJobs

	libraries schema.Libraries
}

// New connects to nothing yet.
func New(cfg Config) *Local {
	l := &Local{cfg: cfg, steps: make(chan struct{}, max(cfg.StepJobs, 1))}
	if l.cfg.Hook == nil {
		l.cfg.Hook = func(string) {}
	}
	l.plain = &sessions{open: func(ctx context.Context) (*pg.Conn, error) { return l.work(ctx, "work") }}
	l.writers = &sessions{open: l.writer}
	l.lookups = &sessions{open: l.reader}
	return l
}

// takeoverWait is how long a new engine waits for the sessions of a dead one to be noticed. A live
// one keeps its lock longer.
const takeoverWait = 20 * time.Second

// Open implements End.
func (l *Local) Open(ctx context.Context, create bool) (State, error) {
	if l.lock == nil || !l.lock.Alive(ctx) {
		if err := l.takeLock(ctx); err != nil {
			return State{}, err
		}
	}
	if create && l.cfg.Scratch {
		if err := l.ours(ctx); err != nil {
			return State{}, err
		}
	}
	if create {
		if err := l.lock.Exec(ctx, l.createSQL()); err != nil {
			return State{}, fault.New(fault.Target, fmt.Errorf("create schema replicator on the target: %w", err),
				"grant CREATE on the database: see replicator sql target-setup")
		}
	}
	if err := l.raiseEpoch(ctx); err != nil {
		return State{}, err
	}
	note := ""
	if !l.cfg.Scratch {
		var err error
		if note, err = l.guard(ctx); err != nil {
			return State{}, err
		}
	}
	st, err := l.State(ctx)
	st.Guard = note
	return st, err
}

// ours refuses a schema of our name that no job has ever been in: a measurement that removed it at its
// end would remove what somebody else has there.
func (l *Local) ours(ctx context.Context) error {
	v, err := l.lock.Value(ctx, "SELECT to_regnamespace('replicator') IS NOT NULL AND to_regclass('replicator.job') IS NULL")
	if err == nil && v == "t" {
		err = fault.New(fault.Preflight, errors.New("the target has a schema replicator that is somebody else's"), "rename it: replicator needs that name")
	}
	return err
}

// takeLock takes the job's advisory lock, then ends what a dead engine left behind.
func (l *Local) takeLock(ctx context.Context) error {
	c, err := l.work(ctx, "lock")
	if err != nil {
		return err
	}
	if l.lock != nil {
		l.lock.Close()
	}
	l.lock = c
	for until := time.Now().Add(takeoverWait); ; {
		got, err := c.Value(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", l.name())
		if err != nil {
			return err
		}
		if got == "t" {
			break
		}
		if time.Now().After(until) {
			return fault.New(fault.Fenced, fmt.Errorf("another engine holds this job on the target"),
				"stop it first; its sessions are named "+l.name()+" in pg_stat_activity")
		}
		if err := pg.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	// We hold the lock, so whoever still carries the job's name belongs to nobody, but for our own that wait.
	_, err = c.Query(ctx, fmt.Sprintf(`SELECT pg_terminate_backend(pid, %d) FROM pg_stat_activity
		WHERE starts_with(application_name, $1) AND pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user
			AND pid <> ALL ($2::int[])`,
		takeoverWait.Milliseconds()), l.name(), "{"+strings.Join(l.plain.waiting(), ",")+"}")
	return err
}

func (l *Local) createSQL() string {
	job := pg.Literal(l.cfg.Job)
	return `CREATE SCHEMA IF NOT EXISTS replicator;
CREATE TABLE IF NOT EXISTS replicator.job (job text PRIMARY KEY, epoch bigint NOT NULL, phase text NOT NULL, created timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS replicator.receipt (job text, tbl int, chunk int, rows bigint NOT NULL, bytes bigint NOT NULL,
	digest text NOT NULL, snapshot text NOT NULL, written timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job, tbl, chunk));
CREATE TABLE IF NOT EXISTS replicator.position (job text, shard int, lsn pg_lsn NOT NULL, PRIMARY KEY (job, shard));
CREATE TABLE IF NOT EXISTS replicator.step (job text, step text, ran timestamptz NOT NULL DEFAULT now(),
	note text, PRIMARY KEY (job, step));
CREATE TABLE IF NOT EXISTS replicator.ddl (job text, n bigint, tbl int NOT NULL /* -1: void, the table was taken through again */, lsn pg_lsn NOT NULL, statement text NOT NULL,
	entry text NOT NULL, ran timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job, n));
INSERT INTO replicator.job (job, epoch, phase) VALUES (` + job + `, 0, 'preparing') ON CONFLICT DO NOTHING;
INSERT INTO replicator.position (job, shard, lsn) VALUES (` + job + `, 0, '0/0') ON CONFLICT DO NOTHING`
}

// raiseEpoch locks out every older engine: it waits for their transactions under way.
func (l *Local) raiseEpoch(ctx context.Context) error {
	rows, err := l.lock.Query(ctx, "UPDATE replicator.job SET epoch = epoch + 1 WHERE job = $1 RETURNING epoch", l.cfg.Job)
	if pg.State(err) == "42P01" || pg.State(err) == "3F000" || (err == nil && len(rows) == 0) {
		return fault.New(fault.PositionLost, fmt.Errorf("the target does not know job %s", l.cfg.Job),
			"the target database was replaced or cleaned up: replicator seed --reuse goes on with what it holds")
	}
	if err != nil {
		return fmt.Errorf("raise epoch: %w", err)
	}
	epoch, err := strconv.ParseInt(rows[0][0], 10, 64)
	l.epoch.Store(epoch)
	return err
}

// Epoch is the job's epoch as this end took it over, 0 before.
func (l *Local) Epoch() int64 { return l.epoch.Load() }

// Resume takes the job over without a new epoch: for an end that was started again under an engine
// that goes on. It is fault.Fenced when the epoch has been raised by another engine.
func (l *Local) Resume(ctx context.Context, epoch int64) error {
	if err := l.takeLock(ctx); err != nil {
		return err
	}
	rows, err := l.lock.Query(ctx, "SELECT 1 FROM replicator.job WHERE job = $1 AND epoch = $2::bigint", l.cfg.Job, strconv.FormatInt(epoch, 10))
	if err != nil {
		return fmt.Errorf("read epoch: %w", err)
	}
	if len(rows) == 0 {
		return errFenced
	}
	l.epoch.Store(epoch)
	return nil
}

// State implements End.
func (l *Local) State(ctx context.Context) (State, error) {
	st := State{Epoch: l.epoch.Load()}
	err := l.plain.use(ctx, func(c *pg.Conn) error {
		row, err := c.Row(ctx, `SELECT phase, (SELECT min(lsn) FROM replicator.position p WHERE p.job = j.job)
			FROM replicator.job j WHERE job = $1`, l.cfg.Job)
		if err != nil {
			return fmt.Errorf("read state of the target: %w", err)
		}
		st.Phase = row[0]
		if st.Applied, err = wal.ParseLSN(row[1]); err != nil {
			return err
		}
		st.Receipts, err = l.receipts(ctx, c, "")
		return err
	})
	if err != nil {
		return st, err
	}
	return st, l.writers.use(ctx, func(c *pg.Conn) error {
		role, err := c.Value(ctx, "SHOW session_replication_role")
		st.Replica = role == "replica"
		return err
	})
}

// Applied implements End.
func (l *Local) Applied(ctx context.Context) (at wal.LSN, err error) {
	err = l.plain.use(ctx, func(c *pg.Conn) error {
		v, err := c.Value(ctx, "SELECT min(lsn) FROM replicator.position WHERE job = $1", l.cfg.Job)
		if err != nil {
			return fmt.Errorf("read position of the target: %w", err)
		}
		at, err = wal.ParseLSN(v)
		return err
	})
	return at, err
}

func (l *Local) receipts(ctx context.Context, c *pg.Conn, where string) ([]chunker.Receipt, error) {
	rows, err := c.Query(ctx, `SELECT tbl, chunk, rows, bytes, digest, snapshot FROM replicator.receipt
		WHERE job = $1 `+where+` ORDER BY tbl, chunk`, l.cfg.Job)
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	out := make([]chunker.Receipt, len(rows))
	for i, r := range rows {
		if out[i], err = parseReceipt(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parseReceipt(r []string) (chunker.Receipt, error) {
	var n [4]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(r[i], 10, 64); err != nil {
			return chunker.Receipt{}, fmt.Errorf("parse receipt: %w", err)
		}
	}
	snap, err := wal.ParseSnapshot(r[5])
	return chunker.Receipt{Table: int(n[0]), Chunk: int(n[1]), Rows: n[2], Bytes: n[3], Digest: r[4], Snapshot: snap}, err
}

// Receipt implements End.
func (l *Local) Receipt(ctx context.Context, table, chunk int) (*chunker.Receipt, error) {
	var out *chunker.Receipt
	err := l.plain.use(ctx, func(c *pg.Conn) error {
		rs, err := l.receipts(ctx, c, fmt.Sprintf("AND tbl = %d AND chunk = %d", table, chunk))
		if len(rs) == 1 {
			out = &rs[0]
		}
		return err
	})
	return out, err
}

// SetPhase implements End.
func (l *Local) SetPhase(ctx context.Context, phase string) error {
	if phase == string(status.Open) {
		return l.open(ctx)
	}
	return l.plain.use(ctx, func(c *pg.Conn) error {
		rows, err := c.Query(ctx, "UPDATE replicator.job SET phase = $2 WHERE job = $1 AND epoch = $3::bigint RETURNING 1",
			l.cfg.Job, phase, strconv.FormatInt(l.epoch.Load(), 10))
		if err == nil && len(rows) == 0 {
			return errFenced
		}
		return err
	})
}

// Close ends all sessions; nothing is lost.
func (l *Local) Close() error {
	l.plain.close()
	l.writers.close()
	l.lookups.close()
	if l.lock != nil {
		return l.lock.Close()
	}
	return nil
}
