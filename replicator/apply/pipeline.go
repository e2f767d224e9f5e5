package apply

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"replicator/replicator/fault"
	"replicator/wal"
)

// Bounds of a pipeline. Results are small, but the server holds its output back until Sync.
const (
	maxQueued = 2000
	maxUnsent = 1 << 20
	// maxPrepared bounds the statements that the server keeps for us (some 20 KB each).
	maxPrepared = 400
)

// statement is SQL that is prepared on first use, once for each connection.
type statement struct {
	sql  string
	oids []uint32

	name string
	on   *session // where name is prepared
	gen  int      // and in which generation of its statements
}

// open makes sure that a pipeline is open.
func (s *session) open(ctx context.Context) error {
	if s.pipe == nil {
		s.pipe = s.conn.Raw().StartPipeline(ctx)
	}
	return nil
}

// send queues a statement with text parameters.
func (s *session) send(sql string, e expected, params ...[]byte) {
	if e.rel == nil {
		e.tx = -1
	}
	s.pipe.SendQueryParams(sql, params, nil, nil, nil)
	s.queue = append(s.queue, e)
}

// run queues a prepared statement. params may be reused as soon as it returns.
func (s *session) run(ctx context.Context, st *statement, params [][]byte, formats []int16, e expected) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	if st.on != s || st.gen != s.gen {
		if err := s.prepare(ctx, st, e); err != nil {
			return err
		}
	}
	s.pipe.SendQueryPrepared(st.name, params, formats, nil)
	s.queue = append(s.queue, e)
	for _, p := range params {
		s.unsent += len(p)
	}
	if len(s.queue) >= maxQueued {
		return s.drain(ctx)
	}
	if s.unsent >= maxUnsent {
		s.unsent = 0
		if err := s.pipe.Flush(); err != nil {
			return &failure{rel: e.rel, tx: e.tx, err: s.conn.Clean(err)}
		}
	}
	return nil
}

func (s *session) prepare(ctx context.Context, st *statement, e expected) error {
	if s.prepared >= maxPrepared {
		if err := s.drain(ctx); err != nil {
			return err
		}
		if err := s.idle(); err != nil {
			return err
		}
		if err := s.forget(ctx); err != nil {
			return err
		}
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	s.prepared++
	st.name, st.on, st.gen = "a"+strconv.Itoa(s.prepared), s, s.gen
	s.pipe.SendPrepare(st.name, st.sql, st.oids)
	s.queue = append(s.queue, expected{what: whatPrepare, rel: e.rel, tx: e.tx})
	return nil
}

// forget drops all prepared statements; the transaction, if any, must be usable.
func (s *session) forget(ctx context.Context) error {
	if s.prepared == 0 {
		return nil
	}
	s.prepared, s.gen = 0, s.gen+1
	return s.conn.Exec(ctx, "DEALLOCATE ALL")
}

// drain sends what is queued and reads all results; the first failure is returned, and the
// pipeline is closed then.
func (s *session) drain(ctx context.Context) error {
	if s.pipe == nil || len(s.queue) == 0 {
		return nil
	}
	s.unsent = 0
	if err := s.pipe.Sync(); err != nil {
		return s.fail(expected{tx: -1}, err)
	}
	for _, e := range s.queue {
		if err := s.result(e); err != nil {
			return s.fail(e, err)
		}
	}
	s.queue = s.queue[:0]
	res, err := s.pipe.GetResults()
	if err != nil {
		return s.fail(expected{tx: -1}, err)
	}
	if _, ok := res.(*pgconn.PipelineSync); !ok {
		return s.fail(expected{tx: -1}, fmt.Errorf("pipeline: %T where its end is due", res))
	}
	return nil
}

// result reads one result and judges it.
func (s *session) result(e expected) error {
	res, err := s.pipe.GetResults()
	if err != nil {
		return err
	}
	if e.what == whatPrepare {
		return nil
	}
	r, ok := res.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("pipeline: %T where a result is due", res)
	}
	moved := false
	for r.NextRow() {
		if e.what == whatPosition {
			at, err := wal.ParseLSN(string(r.Values()[0]))
			moved = err != nil || at != s.from
		}
	}
	tag, err := r.Close()
	if err != nil {
		return err
	}
	switch n := tag.RowsAffected(); {
	case e.what == whatFence && n == 0:
		return fenced()
	case e.what == whatPosition && n == 0:
		return errors.New("the job's position row is missing")
	case moved:
		return errMoved
	case e.what == whatRows:
		return s.hits(e, n)
	}
	return nil
}

// hits compares rows hit with rows meant. Fewer are counted; more mean that the key is not
// unique on the target.
func (s *session) hits(e expected, n int64) error {
	if n > e.want {
		return fault.New(fault.Mismatch, fmt.Errorf("%d rows hit where %d were meant: the key is not unique on the target", n, e.want), "")
	}
	if n < e.want {
		s.missed(e.rel, e.want-n)
	}
	return nil
}

func (s *session) fail(e expected, err error) error {
	err = s.conn.Clean(err)
	s.abandon()
	return &failure{rel: e.rel, tx: e.tx, err: err}
}

// abandon leaves the pipeline, whatever state it is in. pgconn reads it to its end, or closes a
// connection that cannot be read.
func (s *session) abandon() {
	if s.pipe != nil {
		// pgconn ends a connection that is lost in a goroutine of its own, and panics where we write beside it.
		if !s.conn.Raw().IsClosed() {
			s.pipe.Sync()
		}
		s.pipe.Close()
	}
	s.pipe, s.queue, s.unsent = nil, s.queue[:0], 0
}

// idle closes a drained pipeline, for what pipelines cannot do.
func (s *session) idle() error {
	if s.pipe == nil {
		return nil
	}
	err := s.pipe.Close()
	s.pipe = nil
	if err != nil {
		return &failure{tx: -1, err: s.conn.Clean(err)}
	}
	return nil
}
