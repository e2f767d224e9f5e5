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
)

func nameKey(name string) []byte { return append([]byte{kindName}, name...) }

func key(kind byte, ordinals ...int) []byte {
	k := []byte{kind}
	for _, o := range ordinals {
		k = binary.BigEndian.AppendUint32(k, uint32(o))
	}
	return k
}

// SavePlan writes the whole plan in one batch; chunks are by Table.Ordinal, which is the index.
func (s *Store) SavePlan(tables []chunker.Table, chunks [][]chunker.Chunk) error {
	b := s.db.NewBatch()
	defer b.Close()
	for i := range tables {
		if err := putIn(b, key(kindTable, i), tables[i]); err != nil {
			return err
		}
		if err := putIn(b, key(kindChunks, i), chunks[i]); err != nil {
			return err
		}
	}
	return writeError(b.Commit(pebble.Sync))
}

func putIn(b *pebble.Batch, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode for the store: %w", err)
	}
	return writeError(b.Set(key, raw, nil))
}

// LoadPlan reads the plan; nil tables say that there is none.
func (s *Store) LoadPlan() ([]chunker.Table, [][]chunker.Chunk, error) {
	var tables []chunker.Table
	var chunks [][]chunker.Chunk
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
	if err == nil && len(tables) != len(chunks) {
		err = readError(fmt.Errorf("%d tables, %d lists of chunks", len(tables), len(chunks)))
	}
	return tables, chunks, err
}

// PutReceipt keeps the receipt of a chunk, over one that is there.
func (s *Store) PutReceipt(r chunker.Receipt) error {
	return s.putJSON(key(kindReceipt, r.Table, r.Chunk), r)
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
	return writeError(s.db.DeleteRange(key(kindReceipt, table), key(kindReceipt, table+1), pebble.Sync))
}

// ReplaceReceipts makes the receipts those that the target holds, in one batch (invariant I7).
func (s *Store) ReplaceReceipts(receipts []chunker.Receipt) error {
	b := s.db.NewBatch()
	defer b.Close()
	if err := b.DeleteRange([]byte{kindReceipt}, []byte{kindReceipt + 1}, nil); err != nil {
		return writeError(err)
	}
	for _, r := range receipts {
		if err := putIn(b, key(kindReceipt, r.Table, r.Chunk), r); err != nil {
			return err
		}
	}
	return writeError(b.Commit(pebble.Sync))
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
		if err := f(it.Value()); err != nil {
			return err
		}
	}
	return nil
}
