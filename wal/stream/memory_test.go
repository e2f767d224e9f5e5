package stream_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"replicator/wal"
	"replicator/wal/pgoutput"
	"replicator/wal/stream"
)

var _ stream.Log = (*memory)(nil)

// memory is a log that forgets nothing it synced and everything it did not. It holds what a real
// log must: transactions in order, whole, each once.
type memory struct {
	t *testing.T

	mu        sync.Mutex
	changed   chan struct{}
	gate      chan struct{} // not nil: Append waits until it is closed
	held      int           // Appends that wait
	relations map[uint32]*pgoutput.Relation

	open     []string // rows of the transaction that is open
	inside   bool
	appended []transaction // whole, not synced
	synced   []transaction
	position wal.LSN
	durable  wal.LSN
	syncs    int
	bytes    int // since the last sync
	most     int // between two syncs
	restarts int
	marks    int
}

type transaction struct {
	end  wal.LSN
	rows []string
}

func newMemory(t *testing.T, start wal.LSN) *memory {
	return &memory{t: t, changed: make(chan struct{}), relations: map[uint32]*pgoutput.Relation{}, position: start, durable: start}
}

func (m *memory) wake() { close(m.changed); m.changed = make(chan struct{}) }

func (m *memory) Restart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inside {
		m.restarts++
	}
	m.inside, m.open = false, nil
}

func (m *memory) Append(ctx context.Context, lsn wal.LSN, msg []byte) error {
	if err := m.pass(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.wake()
	m.bytes += len(msg)
	m.most = max(m.most, m.bytes)
	var d pgoutput.Message
	if err := pgoutput.Decode(msg, &d); err != nil {
		return err
	}
	if lsn == 0 || m.inside == (d.Kind == 'B') {
		return fmt.Errorf("kind %q at %s, inside a transaction: %v", d.Kind, lsn, m.inside)
	}
	return m.take(&d)
}

// pass waits at the gate.
func (m *memory) pass(ctx context.Context) error {
	m.mu.Lock()
	gate := m.gate
	if gate != nil {
		m.held++
		m.wake()
	}
	m.mu.Unlock()
	if gate == nil {
		return nil
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *memory) take(d *pgoutput.Message) error {
	switch d.Kind {
	case 'B':
		m.inside = true
	case 'R':
		m.relations[d.RelationID] = d.Relation
	case 'C':
		if d.Commit.EndLSN <= m.position {
			return fmt.Errorf("transaction up to %s again, after %s", d.Commit.EndLSN, m.position)
		}
		m.appended = append(m.appended, transaction{d.Commit.EndLSN, m.open})
		m.position, m.inside, m.open = d.Commit.EndLSN, false, nil
	case 'I', 'U', 'D':
		if m.relations[d.RelationID] == nil {
			return fmt.Errorf("relation %d is not known", d.RelationID)
		}
		m.open = append(m.open, fmt.Sprintf("%c %s", d.Kind, text(d)))
	case 'M':
		m.open = append(m.open, fmt.Sprintf("M %s %s", d.Prefix, d.Content))
	}
	return nil
}

// text is the first column of the row.
func text(d *pgoutput.Message) string {
	v := d.New
	if d.Kind == 'D' {
		v = d.Old
	}
	if v[0].Kind == pgoutput.Binary {
		return fmt.Sprintf("%x", v[0].Data)
	}
	return string(v[0].Data)
}

func (m *memory) Mark(lsn wal.LSN) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inside {
		m.t.Errorf("mark %s inside a transaction", lsn)
	}
	m.position = max(m.position, lsn)
	m.marks++
}

func (m *memory) Sync() (wal.LSN, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.wake()
	m.synced, m.appended = append(m.synced, m.appended...), nil
	m.durable = m.position
	m.bytes = 0
	m.syncs++
	return m.durable, nil
}

// block makes Append wait from now on; the returned func lets it go on.
func (m *memory) block() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gate := make(chan struct{})
	m.gate = gate
	return func() {
		m.mu.Lock()
		m.gate = nil
		m.mu.Unlock()
		close(gate)
	}
}

// await waits until the log is as wanted; wanted is called with the log locked.
func (m *memory) await(wanted func() bool) {
	m.t.Helper()
	late := time.After(time.Minute)
	for {
		m.mu.Lock()
		ok, changed := wanted(), m.changed
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			m.t.Fatal("never came")
		}
	}
}

// awaitMarker waits for a logical message to be durable.
func (m *memory) awaitMarker(content string) {
	m.t.Helper()
	m.await(func() bool { return m.has("M test " + content) })
}

func (m *memory) has(row string) bool {
	for i := len(m.synced) - 1; i >= 0; i-- {
		if slices.Contains(m.synced[i].rows, row) {
			return true
		}
	}
	return false
}

// rows is everything durable, in order.
func (m *memory) rows() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows []string
	for _, tx := range m.synced {
		rows = append(rows, tx.rows...)
	}
	return rows
}

func (m *memory) durableLSN() wal.LSN {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.durable
}
