package sizing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
	"replicator/replicator/target"
)

// workersPerSession is the engine's: while one chunk of a session is read, others commit.
const workersPerSession = 4

// mover moves chunks of the source's tables into scratch tables, the way the engine moves them into
// the real ones: as many sessions on the source, the same frames, one transaction a chunk.
type mover struct {
	db     *source.Database
	end    target.End
	jobs   int
	tables map[uint32]*scratchTable // by OID on the source

	sessions chan *pg.Conn // nil: not open

	mu    sync.Mutex
	chunk int // number of the next receipt
}

func newMover(db *source.Database, end target.End, jobs int, tables map[uint32]*scratchTable) *mover {
	m := &mover{db: db, end: end, jobs: jobs, tables: tables, sessions: make(chan *pg.Conn, jobs)}
	for range jobs {
		m.sessions <- nil
	}
	return m
}

// close ends the sessions, which nobody uses any more.
func (m *mover) close() {
	for range m.jobs {
		if c := <-m.sessions; c != nil {
			_ = c.Close()
		}
	}
}

// moved is what went through.
type moved struct {
	bytes, rows float64
	packed      float64 // of bytes, over a link
	chunks      int
	seconds     float64 // from the beginning to the last commit, or to the end of the time
	slices      []float64
}

func (m moved) rate() float64 {
	if m.seconds <= 0 {
		return 0
	}
	return m.bytes / m.seconds
}

// done is a chunk that is committed, or as much of one as there was when the time was over.
type done struct {
	at float64
	amount
	part bool
}

// amount is how much went through.
type amount struct{ bytes, rows, packed int64 }

// move moves pieces until there are none left or stop says so. What is under way then is finished, but
// not for longer than limit: on a slow line a chunk takes its time, and what of it is out says as much.
// into is which of a table's scratch tables takes them.
func (m *mover) move(ctx context.Context, next func() (piece, bool), into int, limit time.Duration, stop func() bool) (moved, error) {
	began := time.Now()
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var list []done
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	for range m.jobs * workersPerSession {
		g.Go(func() error {
			for !stop() {
				conn, err := m.session(gctx)
				if err != nil {
					return timeOver(outer, gctx, err)
				}
				p, ok := next()
				if !ok {
					m.sessions <- conn
					return nil
				}
				n, err := m.one(gctx, conn, p, into)
				if skip(err) {
					continue
				}
				if err != nil {
					if err := timeOver(outer, gctx, err); err != nil {
						return err
					}
				}
				mu.Lock()
				list = append(list, done{time.Since(began).Seconds(), n, err != nil})
				mu.Unlock()
			}
			return nil
		})
	}
	err := g.Wait()
	return sum(list), err
}

// slicesOf is into how many parts of equal time a run is cut to see how steady it was.
const slicesOf = 8

// sum leaves parts out where there are whole chunks: of a part nobody knows what has arrived, and what only
// lies in the buffers on the way would count as moved.
func sum(list []done) (m moved) {
	if slices.ContainsFunc(list, func(d done) bool { return !d.part }) {
		list = slices.DeleteFunc(list, func(d done) bool { return d.part })
	}
	for _, d := range list {
		if !d.part {
			m.chunks++
		}
		m.bytes += float64(d.bytes)
		m.rows += float64(d.rows)
		m.packed += float64(d.packed)
		m.seconds = max(m.seconds, d.at)
	}
	if m.chunks < 4*slicesOf || m.seconds == 0 {
		return m
	}
	m.slices = make([]float64, slicesOf)
	for _, d := range list {
		m.slices[min(slicesOf-1, int(d.at/m.seconds*slicesOf))] += float64(d.bytes)
	}
	return m
}

// timeOver is no error where our own time is over, and err where anything else is.
func timeOver(outer, inner context.Context, err error) error {
	if outer.Err() == nil && errors.Is(inner.Err(), context.DeadlineExceeded) {
		return nil
	}
	return err
}

// session waits for the right to read and a session to do it with.
func (m *mover) session(ctx context.Context) (*pg.Conn, error) {
	var c *pg.Conn
	select {
	case c = <-m.sessions:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c != nil && !c.Raw().IsClosed() {
		return c, nil
	}
	c, err := m.db.Connect(ctx, "bench copy")
	if err != nil {
		m.sessions <- nil
	}
	return c, err
}

// one moves a chunk. The session is given back before the commit.
func (m *mover) one(ctx context.Context, conn *pg.Conn, p piece, into int) (n amount, err error) {
	given := false
	give := func() {
		if !given {
			given = true
			if conn.Raw().IsClosed() || conn.Raw().TxStatus() != 'I' {
				_ = conn.Close()
				conn = nil
			}
			m.sessions <- conn
		}
	}
	defer give()
	st := m.tables[p.table.OID]
	if st == nil {
		return n, fmt.Errorf("no scratch table for %s", p.table)
	}
	t := &st.as[into]
	c := &chunker.Chunk{Table: t.Ordinal, Ordinal: m.number(), Kind: chunker.Whole}
	cw, err := m.end.Chunk(ctx, t, c, false)
	if err != nil {
		return n, err
	}
	defer cw.Abort()
	w := &weighed{ChunkWriter: cw}
	s := target.NewSealer(ctx, w)
	reading, err := chunker.Read(ctx, conn, p.table, p.chunk, "", source.LockTimeout, s)
	err = errors.Join(err, s.Close())
	n = amount{s.Bytes(), reading.Rows, w.bytes}
	st.weigh(n.bytes, n.packed)
	if err != nil {
		return n, err
	}
	if err := chunker.AwaitFlush(ctx, conn, reading.Flush); err != nil {
		return n, fault.New(fault.Source, err, "")
	}
	give()
	r := chunker.Receipt{Table: t.Ordinal, Chunk: c.Ordinal, Rows: reading.Rows, Bytes: s.Bytes(), Digest: s.Digest(), Snapshot: reading.Snapshot}
	if err := w.Commit(ctx, r); err != nil {
		return n, err
	}
	st.got(into, p, n.bytes, n.rows)
	return n, nil
}

// weighed counts the bytes of frames. It belongs to the goroutine that seals, until that has ended.
type weighed struct {
	target.ChunkWriter
	bytes int64
}

func (w *weighed) Write(ctx context.Context, frame []byte) error {
	w.bytes += int64(len(frame))
	return w.ChunkWriter.Write(ctx, frame)
}

func (m *mover) number() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.chunk++
	return m.chunk
}
