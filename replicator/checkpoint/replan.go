package checkpoint

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"replicator/chunker"
)

// Replan puts other tables in place of those of the plan that have their ordinals, with the chunks they
// are cut into by now, and forgets the receipts and notes of those that were there. Together with the
// named values, of which nil ones are forgotten, that is one batch: the plan is at every moment either
// the old one or the new one. Besides Amend it is the only way in which a plan changes (see the engine's resync).
func (s *Store) Replan(tables []chunker.Table, chunks [][]chunker.Chunk, named map[string]any) error {
	return s.write(func(b *pebble.Batch) error {
		var errs []error
		for i := range tables {
			t := tables[i].Ordinal
			errs = append(errs, s.putIn(b, key(kindTable, t), tables[i]), s.putIn(b, key(kindChunks, t), chunks[i]),
				b.DeleteRange(key(kindReceipt, t), key(kindReceipt, t+1), nil),
				b.DeleteRange(key(kindTouched, t), key(kindTouched, t+1), nil))
		}
		for name, v := range named {
			if v == nil {
				errs = append(errs, b.Delete(nameKey(name), nil))
			} else {
				errs = append(errs, s.putIn(b, nameKey(name), v))
			}
		}
		return errors.Join(errs...)
	})
}

// Amend puts tables in place of those that have their ordinals, whose rows, chunks and receipts stay what
// they are, together with the named values, in one batch.
func (s *Store) Amend(tables []chunker.Table, named map[string]any) error {
	return s.write(func(b *pebble.Batch) error {
		var errs []error
		for i := range tables {
			errs = append(errs, s.putIn(b, key(kindTable, tables[i].Ordinal), tables[i]))
		}
		for name, v := range named {
			errs = append(errs, s.putIn(b, nameKey(name), v))
		}
		return errors.Join(errs...)
	})
}
