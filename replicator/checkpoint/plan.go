package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"replicator/chunker"
)

// Kinds of keys.
const (
	kindFormat byte = iota
	kindTable
	kindChunks
	kindReceipt
	kindName
	kindPlan
	kindCount
	kindTouched
)

func nameKey(name string) []byte { return append([]byte{kindName}, name...) }

func key(kind byte, ordinals ...int) []byte {
	k := []byte{kind}
	for _, o := range ordinals {
		k = binary.BigEndian.AppendUint32(k, uint32(o))
	}
	return k
}

// planBatch bounds the memory that saving a plan takes: one of 100,000 tables is some 100 MB of JSON.
const planBatch = 1 << 20

// SavePlan writes the plan; chunks are by Table.Ordinal, which is the index. It is there whole after
// SavePlan has returned, and not at all before.
func (s *Store) SavePlan(tables []chunker.Table, chunks [][]chunker.Chunk) error {
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }()
	for _, kind := range []byte{kindPlan, kindTable, kindChunks} {
		if err := b.DeleteRange([]byte{kind}, []byte{kind + 1}, nil); err != nil {
			return writeError(err)
		}
	}
	for i := range tables {
		if err := errors.Join(s.putIn(b, key(kindTable, i), tables[i]), s.putIn(b, key(kindChunks, i), chunks[i])); err != nil {
			return writeError(err)
		}
		if b.Len() < planBatch {
			continue
		}
		if err := b.Commit(pebble.NoSync); err != nil {
			return writeError(err)
		}
		b.Reset()
	}
	// What was committed before is on disk with this, for the store's log is in order.
	if err := s.putIn(b, key(kindPlan), len(tables)); err != nil {
		return writeError(err)
	}
	return s.commit(b)
}

func (s *Store) putIn(b *pebble.Batch, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode for the store: %w", err)
	}
	return b.Set(key, s.seal(key, raw), nil)
}

// LoadPlan reads the plan; nil tables say that there is none.
func (s *Store) LoadPlan() ([]chunker.Table, [][]chunker.Chunk, error) {
	var n int
	if found, err := s.getJSON(key(kindPlan), &n); err != nil || !found {
		return nil, nil, err
	}
	tables, chunks := make([]chunker.Table, 0, n), make([][]chunker.Chunk, 0, n)
	err := s.each(kindTable, func(raw []byte) error {
		var t chunker.Table
		err := decode(raw, &t)
		tables = append(tables, t)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = s.each(kindChunks, func(raw []byte) error {
		var c []chunker.Chunk
		err := decode(raw, &c)
		chunks = append(chunks, c)
		return err
	})
	if err == nil && (len(tables) != n || len(chunks) != n) {
		err = readError(fmt.Errorf("plan of %d tables has %d, and %d lists of chunks", n, len(tables), len(chunks)))
	}
	return tables, chunks, err
}

// PutReceipt keeps the receipt of a chunk, over one that is there. It is the one write that is not synced:
// the target has the receipt (invariant I7), and what a crash takes away here comes back from there. With
// thousands of small tables the two fsyncs of a write were most of what a table took.
func (s *Store) PutReceipt(r chunker.Receipt) error {
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }()
	if err := s.putIn(b, key(kindReceipt, r.Table, r.Chunk), r); err != nil {
		return err
	}
	return writeError(b.Commit(pebble.NoSync))
}

// Receipts calls f with every receipt, by table and chunk.
func (s *Store) Receipts(f func(chunker.Receipt) error) error {
	return s.each(kindReceipt, func(raw []byte) error {
		var r chunker.Receipt
		if err := decode(raw, &r); err != nil {
			return err
		}
		return f(r)
	})
}

// DeleteReceipts forgets the receipts of a table.
func (s *Store) DeleteReceipts(table int) error {
	return s.write(func(b *pebble.Batch) error {
		return b.DeleteRange(key(kindReceipt, table), key(kindReceipt, table+1), nil)
	})
}

// ReplaceReceipts makes the receipts those that the target holds, in one batch (invariant I7).
func (s *Store) ReplaceReceipts(receipts []chunker.Receipt) error {
	return s.write(func(b *pebble.Batch) error {
		if err := b.DeleteRange([]byte{kindReceipt}, []byte{kindReceipt + 1}, nil); err != nil {
			return err
		}
		for _, r := range receipts {
			if err := s.putIn(b, key(kindReceipt, r.Table, r.Chunk), r); err != nil {
				return err
			}
		}
		return nil
	})
}

// each calls f with the values of a kind, in the order of their keys.
func (s *Store) each(kind byte, f func(raw []byte) error) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
	if err != nil {
		return readError(err)
	}
	defer func() {
		if cerr := it.Close(); cerr != nil {
			err = errors.Join(err, readError(cerr))
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		raw, err := s.unseal(it.Key(), it.Value())
		if err != nil {
			return err
		}
		if err := f(raw); err != nil {
			return err
		}
	}
	return nil
}
