package chunker

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
)

// Side is one side's copy of a table, for as long as it takes to compare it: both methods must see
// the same rows each time. A [Scan] is one. Errors say which side they come from.
type Side interface {
	Fingerprint(ctx context.Context, of checksum.Selection) (*checksum.Fingerprint, error)
	Rows(ctx context.Context, of checksum.Selection, limit int) (*checksum.Rows, error)
}

// Narrowed is in which rows two copies of a table differ.
type Narrowed struct {
	Differences []checksum.Difference
	// Complete says that Differences are all. If not, there are more than the limit allowed to look
	// for, and those were looked for in some of the buckets that differ.
	Complete bool
	// What differs lies in so many buckets of the first fingerprints, which hold so many rows.
	Buckets                int
	SourceRows, TargetRows int64
}

// ErrMoved says that differences are not there when they are looked at again: the rows were not held still.
var ErrMoved = errors.New("the table was written to while it was compared")

// Narrow finds the rows in which source and target, fingerprints of a selection of the rows, differ. It
// reads both tables again: once where the differing buckets hold no more than limit rows, and otherwise
// once more for every level on which they are taken apart further.
func Narrow(ctx context.Context, src, tgt Side, of checksum.Selection, source, target *checksum.Fingerprint, limit int) (Narrowed, error) {
	n := Narrowed{Complete: true}
	for first := true; ; first = false {
		d, err := source.Diff(target)
		if err != nil {
			return n, err
		}
		if d.Len() == 0 {
			return n, ErrMoved
		}
		if first {
			n.Buckets, n.SourceRows, n.TargetRows = d.Len(), source.Rows(d), target.Rows(d)
		}
		rows := func(b checksum.Buckets) int64 { return max(source.Rows(b), target.Rows(b)) }
		// Where the buckets that differ hold most of the rows, those a level deeper do so again.
		if most := max(source.Total().Rows, target.Total().Rows) / 2; rows(d) > max(most, int64(limit)) {
			d, n.Complete = some(d, rows, int64(limit)), false
		}
		of = of.Within(d)
		if rows(d) <= int64(limit) {
			n.Differences, err = list(ctx, src, tgt, of, limit)
			return n, err
		}
		if len(of) == checksum.Levels { // copies of one row, more than the limit
			n.Complete = false
			return n, nil
		}
		if source, target, err = fingerprints(ctx, src, tgt, of); err != nil {
			return n, err
		}
	}
}

// some are as many buckets of b as the limit of rows allows, but at least one.
func some(b checksum.Buckets, rows func(checksum.Buckets) int64, limit int64) (few checksum.Buckets) {
	left := limit
	for i := range b.All() {
		var one checksum.Buckets
		one.Add(i)
		if left -= rows(one); left < 0 && few.Len() > 0 {
			break
		}
		few.Add(i)
	}
	return few
}

func fingerprints(ctx context.Context, src, tgt Side, of checksum.Selection) (source, target *checksum.Fingerprint, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { source, err = src.Fingerprint(ctx, of); return err })
	g.Go(func() (err error) { target, err = tgt.Fingerprint(ctx, of); return err })
	return source, target, g.Wait()
}

func list(ctx context.Context, src, tgt Side, of checksum.Selection, limit int) ([]checksum.Difference, error) {
	var source, target *checksum.Rows
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { source, err = src.Rows(ctx, of, limit); return err })
	g.Go(func() (err error) { target, err = tgt.Rows(ctx, of, limit); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	differences, err := checksum.Compare(source, target)
	if err == nil && len(differences) == 0 {
		err = ErrMoved
	}
	return differences, err
}
