package sizing

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/fault"
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
		src, err = t.hash(ctx, st, over)
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

// hashBytes is the size of a chunk that is only hashed.
const hashBytes = 1 << 20
