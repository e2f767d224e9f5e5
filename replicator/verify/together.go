package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/fault"
)

// groupBytes is how much is compared under one pair of snapshots: a minute or less at scan speed, so
// that neither side's vacuum waits long and no lock is held long. A larger table is a group by itself.
const groupBytes = 2 << 30

// groupTables bounds the locks that one session holds. A server has room for 64 of each session that it
// allows by default, all of them taken together, and pg_dump takes one for every table of the database.
const groupTables = 200

// Groups cuts tables into those that are compared under one pair of snapshots, the largest first.
func Groups(tables []*chunker.Table) [][]*chunker.Table {
	return cut(tables, groupBytes)
}

// cut cuts tables into groups, of so many bytes unless one table is larger.
func cut(tables []*chunker.Table, most int64) (groups [][]*chunker.Table) {
	tables = slices.Clone(tables)
	slices.SortStableFunc(tables, func(a, b *chunker.Table) int { return cmp.Compare(b.Bytes, a.Bytes) })
	sum := int64(0)
	for _, t := range tables {
		last := len(groups) - 1
		if last < 0 || sum+t.Bytes > most || len(groups[last]) == groupTables {
			groups, sum = append(groups, nil), 0
			last++
		}
		groups[last] = append(groups[last], t)
		sum += t.Bytes
	}
	return groups
}

// Alone is the size from which a table is worth all sessions: below it one reads it, and what counts is
// that several tables are read at once.
const Alone = 64 << 20

// Little is the size below which asking for a table costs about as much as reading it: such tables are
// compared many at once, by the sum of their rows alone.
const Little = 2 << 20

// littleBytes is how much of them is read for one question: a second at scan speed, so that progress
// shows, and enough that the way to another site does not count.
const littleBytes = 128 << 20

// Together compares a group: one is called for tables as SideBySide does, and many for those that are
// little, so many at once that both sides have a second of work. The first error ends it.
func Together(ctx context.Context, sessions int, group []*chunker.Table, one func(ctx context.Context, t *chunker.Table, sessions int) error,
	many func(ctx context.Context, tables []*chunker.Table) error) error {
	rest, little := apart(group)
	if err := SideBySide(ctx, sessions, rest, one); err != nil {
		return err
	}
	for _, tables := range cut(little, littleBytes) {
		if err := many(ctx, tables); err != nil {
			return err
		}
	}
	return nil
}

// apart tells little tables from others.
func apart(tables []*chunker.Table) (rest, little []*chunker.Table) {
	for _, t := range tables {
		if t.Bytes < Little {
			little = append(little, t)
		} else {
			rest = append(rest, t)
		}
	}
	return rest, little
}

// Questions is how often Together asks for sums of little tables in all groups of tables.
func Questions(tables []*chunker.Table) (n int) {
	for _, g := range Groups(tables) {
		_, little := apart(g)
		n += len(cut(little, littleBytes))
	}
	return n
}

// Totals are the sets of the rows of tables on one side, or of a selection of the rows.
type Totals func(ctx context.Context, tables []*chunker.Table, sessions int, of checksum.Selection) ([]checksum.Set, error)

// Sets reads little tables on both sides at once. What it returns is of every table.
func Sets(ctx context.Context, src, tgt Totals, tables []*chunker.Table, sessions int, of checksum.Selection) (source, target []checksum.Set, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { source, err = src(ctx, tables, sessions, of); return err })
	g.Go(func() (err error) { target, err = tgt(ctx, tables, sessions, of); return err })
	if err = g.Wait(); err == nil && (len(source) != len(tables) || len(target) != len(tables)) {
		err = fault.New(fault.Unexpected, fmt.Errorf("%d and %d of %d tables were summed up", len(source), len(target), len(tables)), "")
	}
	return source, target, err
}

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
