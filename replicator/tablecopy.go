package replicator

import (
	"context"
	"errors"
	"slices"
	"sync"

	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/source"
)

// tableCopy is a table under way. A table that is cut by blocks is read under one snapshot, which a
// keeper session holds; when that session dies, every chunk read so far is void and the table goes
// into another round.
type tableCopy struct {
	t      *chunker.Table
	shared bool // one snapshot for all chunks
	all    []chunker.Chunk

	mu      sync.Mutex
	pending []*chunker.Chunk // nobody has taken them
	held    []*chunker.Chunk // taken and not received
	told    bool             // complete has said so

	gate  sync.RWMutex // held for reading by attempts, for writing by the start of another round
	round int

	keepMu     sync.Mutex
	keeper     *chunker.Keeper
	keeperConn *pg.Conn
}

func newTableCopy(t *chunker.Table, chunks []chunker.Chunk, received []bool) *tableCopy {
	tc := &tableCopy{t: t, shared: chunks[0].Kind == chunker.Block, all: chunks}
	for i := range chunks {
		if !received[i] {
			tc.pending = append(tc.pending, &chunks[i])
		}
	}
	return tc
}

func (tc *tableCopy) take() *chunker.Chunk {
	tc.mu.Lock()
	defer tc.mu.Unlock()
	if len(tc.pending) == 0 {
		return nil
	}
	chunk := tc.pending[0]
	tc.pending = tc.pending[1:]
	tc.held = append(tc.held, chunk)
	return chunk
}

// done is called within the attempt that received the chunk, so that no new round comes in between.
func (tc *tableCopy) done(chunk *chunker.Chunk) {
	tc.mu.Lock()
	defer tc.mu.Unlock()
	tc.held = slices.DeleteFunc(tc.held, func(c *chunker.Chunk) bool { return c == chunk })
}

// complete is true once, after the last chunk.
func (tc *tableCopy) complete() bool {
	tc.mu.Lock()
	defer tc.mu.Unlock()
	if tc.told || len(tc.pending)+len(tc.held) > 0 {
		return false
	}
	tc.told = true
	return true
}

// over reports whether complete has said so.
func (tc *tableCopy) over() bool {
	tc.mu.Lock()
	defer tc.mu.Unlock()
	return tc.told
}

// attempt runs f in the present round, which it returns.
func (tc *tableCopy) attempt(f func(round int) error) (int, error) {
	tc.gate.RLock()
	defer tc.gate.RUnlock()
	return tc.round, f(tc.round)
}

// errAgain says that a chunk's table is in another round and the chunk is to be tried again.
var errAgain = errors.New("the table starts over")

// again begins another round, unless somebody has since round. It waits for all attempts to end;
// forget makes their work undone. Chunks that a worker holds stay with it.
func (tc *tableCopy) again(round int, forget func() error) error {
	tc.gate.Lock()
	defer tc.gate.Unlock()
	if tc.round != round {
		return nil
	}
	tc.release()
	if err := forget(); err != nil {
		return err
	}
	tc.round++
	tc.mu.Lock()
	defer tc.mu.Unlock()
	tc.pending = nil
	for i := range tc.all {
		if !slices.Contains(tc.held, &tc.all[i]) {
			tc.pending = append(tc.pending, &tc.all[i])
		}
	}
	return nil
}

// keep returns the round's snapshot to import, "" for a table whose chunks take their own.
func (tc *tableCopy) keep(ctx context.Context, db *source.Database) (string, error) {
	if !tc.shared {
		return "", nil
	}
	tc.keepMu.Lock()
	defer tc.keepMu.Unlock()
	if tc.keeper != nil {
		return tc.keeper.Export, nil
	}
	conn, err := db.Connect(ctx, "snapshot "+tc.t.Name)
	if err != nil {
		return "", err
	}
	k, err := chunker.Keep(ctx, conn, tc.t, source.LockTimeout)
	if err != nil {
		conn.Close()
		return "", err
	}
	tc.keeper, tc.keeperConn = k, conn
	return k.Export, nil
}

// snapshotLost reports whether err, of an attempt, comes of the keeper's end: its session is gone,
// or the server no longer knows the snapshot.
func (tc *tableCopy) snapshotLost(ctx context.Context, err error) bool {
	if errors.Is(err, chunker.ErrSnapshot) {
		return true
	}
	tc.keepMu.Lock()
	defer tc.keepMu.Unlock()
	return tc.keeper != nil && !tc.keeperConn.Alive(ctx)
}

// release ends the keeper.
func (tc *tableCopy) release() {
	tc.keepMu.Lock()
	defer tc.keepMu.Unlock()
	if tc.keeperConn != nil {
		tc.keeperConn.Close()
	}
	tc.keeper, tc.keeperConn = nil, nil
}
