package target

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// sessions is a free list of sessions of one purpose; what breaks is thrown away.
type sessions struct {
	open func(ctx context.Context) (*pg.Conn, error)
	mu   sync.Mutex
	free []*pg.Conn
	over bool // closed: what is given back from now on is closed
}

// take gives a session; give takes it back.
func (s *sessions) take(ctx context.Context) (*pg.Conn, error) {
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		// A server that restarted meanwhile has closed it; better to find out now.
		if c.Alive(ctx) {
			return c, nil
		}
		c.Close()
		return s.take(ctx)
	}
	s.mu.Unlock()
	return s.open(ctx)
}

// give returns a session that is in no transaction; any other is closed.
func (s *sessions) give(c *pg.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || c.Raw().IsClosed() || c.Raw().TxStatus() != 'I' {
		c.Close()
		return
	}
	s.free = append(s.free, c)
}

// rollback ends a transaction of whoever writes and gives the session back, or closes it.
func (s *sessions) rollback(c *pg.Conn) {
	if !c.Raw().IsClosed() {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackWait)
		defer cancel()
		_ = c.Exec(ctx, "ROLLBACK")
	}
	s.give(c)
}

// rollbackWait bounds a ROLLBACK to a server that may be gone; the session is closed after it.
const rollbackWait = 10 * time.Second

// waiting are the processes of the sessions that nobody has taken.
func (s *sessions) waiting() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pids []string
	for _, c := range s.free {
		pids = append(pids, strconv.FormatUint(uint64(c.Raw().PID()), 10))
	}
	return pids
}

// use runs f with a session.
func (s *sessions) use(ctx context.Context, f func(*pg.Conn) error) error {
	c, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer s.give(c)
	return f(c)
}

func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.free {
		c.Close()
	}
	s.free, s.over = nil, true
}

// writer opens a session for rows: triggers and rules do not fire where our role may say so.
func (l *Local) writer(ctx context.Context) (*pg.Conn, error) {
	c, err := l.work(ctx, "write")
	if err != nil {
		return nil, err
	}
	if err := beReplica(ctx, c); err != nil && pg.State(err) != "42501" {
		c.Close()
		return nil, err
	}
	return c, nil
}

// ReplicaFunction is what `replicator sql target-setup` makes on PostgreSQL 14, where the right to
// set session_replication_role cannot be granted.
const ReplicaFunction = "replicator_setup.be_replica"

// beReplica makes c a session in which ordinary triggers, rules and foreign keys do not fire.
// SQLSTATE 42501: not granted.
func beReplica(ctx context.Context, c *pg.Conn) error {
	err := c.Exec(ctx, "SET session_replication_role = replica")
	if pg.State(err) != "42501" {
		return err
	}
	has, qerr := c.Value(ctx, "SELECT coalesce(has_function_privilege(to_regprocedure($1), 'EXECUTE'), false)", ReplicaFunction+"()")
	if qerr != nil || has != "t" {
		return err
	}
	return c.Exec(ctx, "SELECT "+ReplicaFunction+"()")
}

// work opens a session for schema steps and rows: functions in constraints, indexes and generated
// columns find what they were written against.
func (l *Local) work(ctx context.Context, purpose string) (*pg.Conn, error) {
	settings := map[string]string{"jit": "off"}
	if l.cfg.SearchPath != "" {
		settings["search_path"] = l.cfg.SearchPath
	}
	return l.connect(ctx, purpose, settings)
}

// reader opens a session that spells values as the source end's do.
func (l *Local) reader(ctx context.Context) (*pg.Conn, error) {
	return l.connect(ctx, "fingerprint", map[string]string{"jit": "off"})
}

// connect opens a session with the job's name on it, by which a successor finds what is left of us.
func (l *Local) connect(ctx context.Context, purpose string, settings map[string]string) (*pg.Conn, error) {
	c, err := pg.Connect(ctx, pg.Config{DSN: l.cfg.DSN, Name: l.name() + purpose, Settings: settings})
	if err != nil {
		return nil, fault.New(fault.Target, fmt.Errorf("target: %w", err), unreached(err))
	}
	return c, nil
}

// unreached says what to do about a connection that cannot be made.
func unreached(err error) string {
	if pg.State(err) == "3D000" { // invalid_catalog_name
		return "make the database there, or name the right one (--target, or at another site --target-database)"
	}
	return "check the target's address, role and pg_hba.conf"
}

// name is the prefix of application_name of all sessions of the job.
func (l *Local) name() string { return "replicator/" + l.cfg.Job + "/" }

// fence fails when the epoch has been raised by another engine. It locks the job's row for the
// rest of the transaction, so that an engine that raises the epoch waits for what is under way.
func (l *Local) fence(ctx context.Context, c *pg.Conn) error { return l.fenceAfter(ctx, c, "") }

// fenceAfter is fence in one message with what is to come before it.
func (l *Local) fenceAfter(ctx context.Context, c *pg.Conn, sql string) error {
	rows, err := c.Last(ctx, sql+fmt.Sprintf("SELECT 1 FROM replicator.job WHERE job = %s AND epoch = %d FOR SHARE", pg.Literal(l.cfg.Job), l.epoch.Load()))
	if err == nil && len(rows) == 0 {
		err = errFenced
	}
	return err
}

var errFenced = fault.New(fault.Fenced, fmt.Errorf("another engine has taken over this job on the target"),
	"stop one of the two; the one that started last owns the job")

// transaction runs f in a transaction that the fence guards.
func (l *Local) transaction(ctx context.Context, pool *sessions, f func(*pg.Conn) error) error {
	return pool.use(ctx, func(c *pg.Conn) error {
		return inTransaction(ctx, c, func() error {
			if err := l.fence(ctx, c); err != nil {
				return err
			}
			return f(c)
		})
	})
}

// inTransaction runs f in a transaction of c.
func inTransaction(ctx context.Context, c *pg.Conn, f func() error) error {
	if err := c.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := f(); err != nil {
		if !c.Raw().IsClosed() {
			_ = c.Exec(context.WithoutCancel(ctx), "ROLLBACK")
		}
		return err
	}
	return c.Exec(ctx, "COMMIT")
}
