package checkpoint

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"replicator/checksum"
	"replicator/wal"
)

// Touched is the key of a row that a change has touched. Key is a row value: the store seals it where
// it has a key file.
type Touched struct {
	Table int
	Hash  checksum.KeyHash // keyed: see checksum.Secret; it is the name under which it lies
	LSN   wal.LSN          // of the commit record of the last change
	Key   []byte           // image of the key columns, as COPY has them
}

func touchedKey(table int, h checksum.KeyHash) []byte {
	return append(key(kindTouched, table), h[:]...)
}

// Touch notes keys, over older notes of the same keys, and the value of name that tells how far the
// notes go, in one batch. fresh counts those that were not noted before.
func (s *Store) Touch(list []Touched, name string, v any) (fresh map[int]int, err error) {
	fresh = map[int]int{}
	err = s.write(func(b *pebble.Batch) error {
		for i := range list {
			t := &list[i]
			k := touchedKey(t.Table, t.Hash)
			if known, err := s.has(k); err != nil {
				return err
			} else if !known {
				fresh[t.Table]++
			}
			value := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(t.Key)), uint64(t.LSN))
			if err := b.Set(k, s.seal(k, append(value, t.Key...)), nil); err != nil {
				return err
			}
		}
		return s.putIn(b, nameKey(name), v)
	})
	return fresh, err
}

func (s *Store) has(k []byte) (bool, error) {
	_, closer, err := s.db.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, readError(err)
	}
	return true, closer.Close()
}

// EachTouched calls f with the notes of a table; the key is valid during the call only.
func (s *Store) EachTouched(table int, f func(Touched) error) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: key(kindTouched, table), UpperBound: key(kindTouched, table+1)})
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
		t := Touched{Table: table}
		prefix := len(key(kindTouched, table))
		if len(raw) < 8 || copy(t.Hash[:], it.Key()[prefix:]) != len(t.Hash) {
			return readError(errors.New("a touched key is too short"))
		}
		t.LSN, t.Key = wal.LSN(binary.BigEndian.Uint64(raw)), raw[8:]
		if err := f(t); err != nil {
			return err
		}
	}
	return nil
}

// Untouch forgets the notes of a table whose last change committed before lsn, or with the zero LSN
// all of them, and puts the value of name, in one batch. left is how many stay.
func (s *Store) Untouch(table int, lsn wal.LSN, name string, v any) (left int, err error) {
	err = s.write(func(b *pebble.Batch) error {
		if lsn == 0 {
			if err := b.DeleteRange(key(kindTouched, table), key(kindTouched, table+1), nil); err != nil {
				return err
			}
		} else if err := s.EachTouched(table, func(t Touched) error {
			if t.LSN < lsn {
				return b.Delete(touchedKey(table, t.Hash), nil)
			}
			left++
			return nil
		}); err != nil {
			return err
		}
		return s.putIn(b, nameKey(name), v)
	})
	return left, err
}
