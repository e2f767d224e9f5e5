package verify

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
)

// groupBytes is how much is compared under one pair of snapshots: a minute or less at scan speed, so
// that neither side's vacuum waits long and no lock is held long. A larger table is a group by itself.
const groupBytes = 2 << 30

// groupTables bounds the locks that one session holds: max_locks_per_transaction is 64 by default.
const groupTables = 50

// Groups cuts tables into those that are compared under one pair of snapshots, the largest first.
func Groups(tables []*chunker.Table) [][]*chunker.Table {
	return group(tables, func(t *chunker.Table) int64 { return t.Bytes })
}

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

// Alone is the size from which a table is worth all sessions: below it one reads it, and what counts is
// that several tables are read at once.
const Alone = 64 << 20

// SideBySide calls one for every table of a group, and says how many sessions it may read a side with:
// all of them for a large table, one after the other; one each for small ones, as many at once. So no more
// than that are in use at any time. The first error ends it.
func SideBySide(ctx context.Context, sessions int, group []*chunker.Table, one func(ctx context.Context, t *chunker.Table, sessions int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	sessions = max(1, sessions)
	g.SetLimit(sessions)
	for _, t := range group { // the largest first
		if t.Bytes < Alone {
			g.Go(func() error { return one(ctx, t, 1) })
		} else if err := one(ctx, t, sessions); err != nil {
			return errors.Join(err, g.Wait())
		}
	}
	return g.Wait()
}

// Fingerprints reads a table on both sides at once.
func Fingerprints(ctx context.Context, src, tgt chunker.Side, of checksum.Selection) (source, target *checksum.Fingerprint, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { source, err = src.Fingerprint(ctx, of); return err })
	g.Go(func() (err error) { target, err = tgt.Fingerprint(ctx, of); return err })
	return source, target, g.Wait()
}
