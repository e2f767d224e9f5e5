package sizing

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
)

// compareOne is the rate of comparing rows like those of st: the target hashes what it has of them
// while the source hashes samples of the same kind, as both do in a verification. The slower counts.
func (t *trial) compareOne(ctx context.Context, st *scratchTable) (float64, error) {
	over := make(chan struct{})
	var target, src float64
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(over)
		began := time.Now()
		_, err := t.s.Fingerprint(ctx, &st.as[0], st.Text, t.o.Jobs)
		target = st.bytes[0] / time.Since(began).Seconds()
		return err
	})
	g.Go(func() (err error) {
		if bytes, _, ok := st.whole(); ok && st.Bytes <= comparedWhole {
			src, err = t.scan(ctx, st, bytes)
		} else {
			src, err = t.hash(ctx, st, over)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return 0, err
	}
	if src <= 0 {
		return target, nil
	}
	return min(target, src), nil
}

// comparedWhole is the size up to which a table of the source is read as a verification reads it. Of a
// larger one samples are.
const comparedWhole = 64 << 20

// scan is the rate of the fingerprint of a whole table, which has so many bytes.
func (t *trial) scan(ctx context.Context, st *scratchTable, bytes float64) (float64, error) {
	began := time.Now()
	_, err := chunker.Fingerprint(ctx, st.Table, st.Text, t.o.Jobs, func(ctx context.Context) (*pg.Conn, error) { return t.c.db.Connect(ctx, "bench compare") })
	return bytes / time.Since(began).Seconds(), err
}

// hash reads and hashes chunks of a table of the source until over is closed, at least one a session.
func (t *trial) hash(ctx context.Context, st *scratchTable, over <-chan struct{}) (float64, error) {
	sample, err := sampleOf(ctx, t.c.conn, []*chunker.Table{st.Table}, hashBytes)
	if err != nil {
		return 0, fault.New(fault.Source, err, "")
	}
	sample.round = true
	began := time.Now()
	var bytes atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range t.o.Jobs {
		g.Go(func() error {
			conn, err := t.m.session(ctx)
			if err != nil {
				return err
			}
			defer func() { t.m.sessions <- conn }()
			for {
				p, ok := sample.next()
				if !ok {
					return nil
				}
				hasher := checksum.NewRowHasher(checksum.Secret{})
				rows := checksum.NewRowSplitter(st.Text, func(image []byte) {
					hasher.Keyless(image)
					bytes.Add(int64(len(image)))
				})
				if _, err := chunker.Read(ctx, conn, p.table, p.chunk, "", source.LockTimeout, rows); err != nil {
					return err
				}
				select {
				case <-over:
					return nil
				default:
				}
			}
		})
	}
	err = g.Wait()
	return float64(bytes.Load()) / time.Since(began).Seconds(), err
}

// hashBytes is the size of a chunk that is only hashed: its transaction must cost little beside its rows.
const hashBytes = 16 << 20
