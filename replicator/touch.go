package replicator

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/checkpoint"
	"replicator/replicator/ddl"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/changelog"
	"replicator/wal/pgoutput"
)

// touches says which tables have been proved equal, and that the keys of rows that changed since are
// noted in the store: at the fence only those rows need to be compared.
type touches struct {
	UpTo   wal.LSN        `json:"up_to"` // every change that committed at or before it is noted
	Tables map[int]proved `json:"tables"`
}

// proved is a table whose changes are noted. Without Clean nothing is proved yet.
type proved struct {
	Clean wal.LSN   `json:"clean"` // both sides were equal as of here
	At    time.Time `json:"at,omitzero"`
	Keys  int       `json:"keys"` // noted
}

// mostTouched is how many keys of a table are noted: beyond it comparing the whole table is no slower,
// and the store would grow without bound.
const mostTouched = 2_000_000

// Bounds of what is noted in one write of the store.
const (
	touchBatch = 20_000
	touchEvery = 250 * time.Millisecond
)

// toucher notes the keys of rows as the target applies their changes, while there is a table that is
// proved or about to be. It reads the change log by itself, never further than what is applied: a table
// that is being proved cannot have lost a change.
type toucher struct {
	*job
	secret checksum.Secret

	mu      sync.Mutex
	state   touches
	news    bool               // the state has proofs that the store has not
	reading chan struct{}      // closed while the log is read; another one once it is not
	hurry   context.CancelFunc // ends the wait for a frame, so that what is noted is written now

	wanted chan struct{} // somebody waits for the log to be read

	hasher *checksum.RowHasher
	known  map[uint32]*touchedTable // by relation id; nil is none of ours
	msg    pgoutput.Message
	commit wal.LSN // of the transaction being read
	end    wal.LSN // of the last one that was read whole
	batch  map[noteKey]checkpoint.Touched
	wrote  time.Time
}

type noteKey struct {
	table int
	hash  checksum.KeyHash
}

// touchedTable is where a relation has its key columns.
type touchedTable struct {
	*chunker.Table
	at []int
}

func (j *job) newToucher() (*toucher, error) {
	t := &toucher{
		job: j, known: map[uint32]*touchedTable{}, batch: map[noteKey]checkpoint.Touched{},
		reading: make(chan struct{}), wanted: make(chan struct{}, 1),
	}
	v, err := j.newVerifier()
	if err != nil {
		return nil, err
	}
	t.secret, t.hasher = v.secret, checksum.NewRowHasher(v.secret)
	_, err = j.store.Get(keyTouches, &t.state)
	if t.state.Tables == nil {
		t.state.Tables = map[int]proved{}
	}
	return t, err
}

// record notes what one record of the log touches.
func (t *toucher) record(lsn wal.LSN, kind changelog.RecordKind, msg []byte) error {
	if kind == changelog.Mark {
		t.end = max(t.end, lsn)
	}
	if kind != changelog.Message {
		return nil
	}
	if err := pgoutput.Decode(msg, &t.msg); err != nil {
		return fmt.Errorf("change log at %s: %w", lsn, err)
	}
	m := &t.msg
	switch m.Kind {
	case 'B':
		t.commit = m.Begin.FinalLSN
	case 'C':
		t.end = max(t.end, m.Commit.EndLSN)
	case 'R':
		t.describe(m.Relation)
	case 'M':
		return t.statement(m)
	case 'I', 'U', 'D':
		return t.row(m)
	case 'T':
		for _, id := range m.Relations {
			if tab := t.known[id]; tab != nil {
				if err := t.unprove(tab.Ordinal, "it was truncated"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// statement voids the proofs of tables that a statement was about: both sides have to be compared with the
// columns that they have now.
func (t *toucher) statement(m *pgoutput.Message) error {
	if m.Prefix != ddl.Prefix || !t.carries() || len(m.Content) == 0 {
		return nil
	}
	told, err := ddl.Parse(m.Content)
	if err != nil {
		return err
	}
	for _, oid := range told.Tables() {
		for i := range t.planned() {
			if tab := &t.planned()[i]; tab.OID == oid {
				if err := t.unprove(tab.Ordinal, "a statement has changed it"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// described is the table that a relation of the stream is. It may be called otherwise by now, or was then.
func (t *toucher) described(r *pgoutput.Relation) *chunker.Table {
	for i := range t.planned() {
		if tab := &t.planned()[i]; tab.OID == r.ID {
			return tab
		}
	}
	if tab := t.table(r.Schema, r.Name); tab != nil && tab.OID == 0 {
		return tab
	}
	return nil
}

// describe learns where a relation has the columns of the key.
func (t *toucher) describe(r *pgoutput.Relation) {
	t.known[r.ID] = nil
	tab := t.described(r)
	if tab == nil || !chunker.ByKey(tab, false) {
		return
	}
	known := &touchedTable{Table: tab}
	for _, name := range tab.Key {
		i := slices.IndexFunc(r.Columns, func(c pgoutput.Column) bool { return c.Name == name })
		if i < 0 {
			return
		}
		known.at = append(known.at, i)
	}
	t.known[r.ID] = known
}

// row notes the keys of a changed row: the new one, and the old one where that travels.
func (t *toucher) row(m *pgoutput.Message) error {
	tab := t.known[m.RelationID]
	if tab == nil || !t.noted(tab.Ordinal) {
		return nil
	}
	for _, values := range [][]pgoutput.Value{m.Old, m.New} {
		if len(values) == 0 {
			continue
		}
		key, ok := tab.image(values)
		if !ok {
			return t.unprove(tab.Ordinal, "a key did not travel with its change")
		}
		h := t.hasher.Key(key)
		t.batch[noteKey{tab.Ordinal, h}] = checkpoint.Touched{Table: tab.Ordinal, Hash: h, LSN: t.commit, Key: key}
	}
	return nil
}

// image is the key's image as COPY has it.
func (t *touchedTable) image(values []pgoutput.Value) (key []byte, ok bool) {
	for _, i := range t.at {
		if i >= len(values) || values[i].Kind != pgoutput.Binary {
			return nil, false
		}
		key = binary.BigEndian.AppendUint32(key, uint32(len(values[i].Data)))
		key = append(key, values[i].Data...)
	}
	return key, true
}

func (t *toucher) noted(table int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.state.Tables[table]
	return ok
}

// flush writes what is noted, and how far the notes go.
func (t *toucher) flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrote = time.Now()
	if t.end <= t.state.UpTo && len(t.batch) == 0 {
		return nil
	}
	var list []checkpoint.Touched
	for k, v := range t.batch {
		if _, ok := t.state.Tables[k.table]; ok {
			list = append(list, v)
		}
	}
	clear(t.batch)
	if len(list) == 0 && len(t.state.Tables) == 0 {
		return nil // nothing is proved
	}
	t.state.UpTo = t.end
	fresh, err := t.store.Touch(list, keyTouches, t.state)
	if err != nil {
		return err
	}
	t.news = false
	for table, n := range fresh {
		p := t.state.Tables[table]
		p.Keys += n
		t.state.Tables[table] = p
		if p.Keys > mostTouched {
			t.log.Warn("more rows changed than are noted: the table is compared in full until it is verified again", "table", t.planned()[table].String(), "keys", p.Keys)
			if err := t.forget(table); err != nil {
				return err
			}
		}
	}
	return nil
}

// unprove forgets that a table was proved equal.
func (t *toucher) unprove(table int, why string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.state.Tables[table]; !ok {
		return nil
	}
	t.log.Info("the table is compared in full until it is verified again", "table", t.planned()[table].String(), "why", why)
	return t.forget(table)
}

// forget drops a table and its notes; t.mu is held.
func (t *toucher) forget(table int) error {
	delete(t.state.Tables, table)
	_, err := t.store.Untouch(table, 0, keyTouches, t.state)
	return err
}

// watch has the changes of tables noted from now on, ahead of proving them. When it returns the log is
// read from no later than what is applied.
func (t *toucher) watch(ctx context.Context, tables []*chunker.Table, text bool) error {
	t.mu.Lock()
	for _, table := range tables {
		if _, ok := t.state.Tables[table.Ordinal]; !ok && chunker.ByKey(table, text) {
			t.state.Tables[table.Ordinal] = proved{}
		}
	}
	none, reading := len(t.state.Tables) == 0, t.reading
	t.mu.Unlock()
	if none {
		return nil
	}
	select {
	case t.wanted <- struct{}{}:
	default: // it has been told
	}
	select {
	case <-reading:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// prove notes that both sides of a table were equal as of lsn: changes before it need no comparison. It
// is durable after keep, or the next write: the state is one of all tables, and to write it for each of
// thousands would take longer than to compare them.
func (t *toucher) prove(table int, lsn wal.LSN) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.state.Tables[table]
	if !ok {
		return nil // it was truncated meanwhile, or cannot be looked up by its key
	}
	p.Clean, p.At = lsn, time.Now().UTC()
	t.state.Tables[table] = p
	if p.Keys == 0 { // a note that is not counted yet may stay: its row is compared, and nothing is lost
		t.news = true
		return nil
	}
	left, err := t.store.Untouch(table, lsn, keyTouches, t.state)
	p.Keys = left
	t.state.Tables[table] = p
	return err
}

// keep makes proofs durable.
func (t *toucher) keep() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.news {
		return nil
	}
	err := t.store.Put(keyTouches, t.state)
	t.news = err != nil
	return err
}

// proofs are the tables that are watched, as they stand now.
func (t *toucher) proofs() map[int]proved {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.state.Tables)
}

// disprove forgets a table that was found different.
func (t *toucher) disprove(table int) error { return t.unprove(table, "the sides differ") }

// touched are the keys of a table that changed since it was proved equal, and when that was: the zero
// time where it has to be compared in full. Everything up to lsn is noted when it returns.
func (t *toucher) touched(ctx context.Context, table int, lsn wal.LSN) (keys [][]byte, since time.Time, err error) {
	for {
		t.mu.Lock()
		p, ok := t.state.Tables[table]
		upTo, hurry := t.state.UpTo, t.hurry
		t.mu.Unlock()
		if !ok || p.Clean == 0 {
			return nil, since, nil
		}
		if upTo >= lsn {
			since = p.At
			break
		}
		if hurry != nil {
			hurry() // at the fence nobody waits for a batch to fill
		}
		if err := pg.Pause(ctx, 5*time.Millisecond); err != nil {
			return nil, since, err
		}
	}
	err = t.store.EachTouched(table, func(k checkpoint.Touched) error {
		keys = append(keys, slices.Clone(k.Key))
		return nil
	})
	return keys, since, err
}
