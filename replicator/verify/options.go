package verify

import (
	"cmp"
	"errors"
	"slices"
)

// Options say what is compared and what becomes of differences.
type Options struct {
	Tables   []string `json:"tables,omitempty"` // patterns as pg_dump has them; none is all
	Sample   float64  `json:"sample,omitempty"` // percent of the rows of each table, 0 is all
	ShowKeys bool     `json:"show_keys,omitempty"`
	Repair   bool     `json:"repair,omitempty"`
}

// Validate refuses what makes no sense.
func (o *Options) Validate() error {
	switch {
	case o.Sample < 0 || o.Sample > 100:
		return errors.New("--sample takes a percentage from 0 to 100")
	case o.Repair && o.Sample > 0:
		return errors.New("--repair looks at all rows: leave --sample out")
	}
	return nil
}

func (o *Options) same(p Options) bool {
	return slices.Equal(o.Tables, p.Tables) && o.Sample == p.Sample && o.Repair == p.Repair && o.ShowKeys == p.ShowKeys
}

// named bounds the rows that are named of a table, and with it the memory of naming them.
const named = 10_000

// groupBytes is how much is compared under one pair of snapshots: a minute or less at scan speed, so
// that neither side's vacuum waits long and no lock is held long. A larger table is a group by itself.
const groupBytes = 2 << 30

// groupTables bounds the locks that one session holds: max_locks_per_transaction is 64 by default.
const groupTables = 50

// group cuts tables into groups, the largest first.
func group[T any](tables []T, bytes func(T) int64) (groups [][]T) {
	tables = slices.Clone(tables)
	slices.SortStableFunc(tables, func(a, b T) int { return cmp.Compare(bytes(b), bytes(a)) })
	sum := int64(0)
	for _, t := range tables {
		last := len(groups) - 1
		if last < 0 || sum+bytes(t) > groupBytes || len(groups[last]) == groupTables {
			groups, sum = append(groups, nil), 0
			last++
		}
		groups[last] = append(groups[last], t)
		sum += bytes(t)
	}
	return groups
}
