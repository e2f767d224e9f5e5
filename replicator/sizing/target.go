package sizing

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/schema"
	"replicator/replicator/sizing/forecast"
	"replicator/replicator/target"
)

// measureTarget measures the target with made-up rows, within span.
func (o *Options) measureTarget(ctx context.Context, s *scratch, r *Report, span time.Duration) error {
	t := &Target{}
	r.Target = t
	facts, err := s.Facts(ctx)
	if err != nil {
		return fault.New(fault.Target, err, "")
	}
	t.Release = facts.ServerVersion
	o.Tell("the target: how long a commit takes")
	if t.Commit, err = s.commits(ctx, span/8); err != nil {
		return err
	}
	o.Tell("the target: COPY")
	w, err := newWriting(ctx, s)
	if err != nil {
		return err
	}
	counts := steps(o.Jobs)
	for _, n := range counts {
		p, err := w.write(ctx, n, span/4/time.Duration(len(counts)))
		if err != nil {
			return err
		}
		t.Write = append(t.Write, p)
	}
	o.Tell("the target: an index")
	took, err := s.step(ctx, &schema.Step{Kind: "BENCH", Name: "an index", SQL: "CREATE INDEX ON " + w.table.Qualified() + " (id)"})
	if err != nil {
		return err
	}
	t.Index = float64(w.rows.Load()) / took.Seconds()
	o.Tell("the target: changes")
	return o.measureApply(ctx, s, t, span/2)
}

// commits times commits of one small row, one after another.
func (s *scratch) commits(ctx context.Context, span time.Duration) (Latency, error) {
	var took []float64
	for began := time.Now(); len(took) < 3 || time.Since(began) < span && len(took) < 1000; {
		d, err := s.sql(ctx, "SELECT 1") // the step itself is a row
		if err != nil {
			return Latency{}, err
		}
		took = append(took, d.Seconds())
	}
	return Latency{P50: forecast.Quantile(took, 0.5), P95: forecast.Quantile(took, 0.95), Worst: forecast.Quantile(took, 1)}, nil
}

// writing writes made-up rows by COPY, through the target end.
type writing struct {
	s     *scratch
	table chunker.Table
	block []byte // rows of one chunk
	per   int64  // rows in it
	chunk atomic.Int64
	rows  atomic.Int64
}

// writeBytes is the size of a made-up chunk.
const writeBytes = 4 << 20

// writeOrdinal is beyond any table of a plan: receipts of samples and of made-up rows never meet.
const writeOrdinal = 1 << 30

func newWriting(ctx context.Context, s *scratch) (*writing, error) {
	w := &writing{s: s, table: chunker.Table{Ordinal: writeOrdinal, Schema: target.ScratchSchema, Name: "made", Columns: changeColumns}}
	if _, err := s.sql(ctx, "CREATE TABLE "+w.table.Qualified()+" (id bigint, patient int, at timestamptz, code text, note text)"); err != nil {
		return nil, err
	}
	w.block = append(w.block, copyHeader...)
	for len(w.block) < writeBytes {
		w.block = copyRow(w.block, madeRow(int(w.per), false))
		w.per++
	}
	w.block = append(w.block, copyTrailer...)
	return w, nil
}

// write is the rate of n sessions.
func (w *writing) write(ctx context.Context, n int, span time.Duration) (Point, error) {
	clock := startClock()
	var bytes atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range n {
		g.Go(func() error {
			for clock.seconds() < span.Seconds() {
				if err := w.one(ctx); err != nil {
					return err
				}
				bytes.Add(int64(len(w.block)))
			}
			return nil
		})
	}
	err := g.Wait()
	return Point{Connections: n, Rate: float64(bytes.Load()) / clock.seconds(), CPU: clock.busy()}, err
}

// one writes one chunk.
func (w *writing) one(ctx context.Context) error {
	c := chunker.Chunk{Table: writeOrdinal, Ordinal: int(w.chunk.Add(1)), Kind: chunker.Whole}
	cw, err := w.s.Chunk(ctx, &w.table, &c, false)
	if err != nil {
		return fmt.Errorf("write made-up rows: %w", err)
	}
	defer cw.Abort()
	sealer := target.NewSealer(ctx, cw)
	_, err = sealer.Write(w.block)
	if cerr := sealer.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write made-up rows: %w", err)
	}
	w.rows.Add(w.per)
	return cw.Commit(ctx, chunker.Receipt{Table: writeOrdinal, Chunk: c.Ordinal, Rows: w.per, Bytes: sealer.Bytes(), Digest: sealer.Digest()})
}

// Rows of one measurement of changes: of the first, which only tells how long to measure, and at most.
const (
	fewChanges  = 2_000
	mostChanges = 400_000
)

// measureApply applies inserts, then updates, then deletes of the same rows.
func (o *Options) measureApply(ctx context.Context, s *scratch, t *Target, span time.Duration) (err error) {
	if _, err := s.sql(ctx, changeSQL); err != nil {
		return err
	}
	st, err := newStream(o)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := st.close(); err == nil {
			err = cerr
		}
	}()
	rate, err := st.rate(ctx, s, 'I', 0, fewChanges)
	if err != nil {
		return err
	}
	n := int(min(mostChanges, max(fewChanges, rate*span.Seconds()/3)))
	for _, k := range []struct {
		kind byte
		to   *float64
	}{{'I', &t.Insert}, {'U', &t.Update}, {'D', &t.Delete}} {
		if *k.to, err = st.rate(ctx, s, k.kind, fewChanges, fewChanges+n); err != nil {
			return err
		}
	}
	return nil
}

// rate is how many changes a second are applied.
func (s *stream) rate(ctx context.Context, end target.End, kind byte, from, to int) (float64, error) {
	at := s.log.Durable()
	if err := s.write(ctx, kind, from, to); err != nil {
		return 0, fmt.Errorf("make changes: %w", err)
	}
	took, err := s.apply(ctx, end, at)
	if err != nil {
		return 0, fmt.Errorf("apply made-up changes: %w", err)
	}
	return float64(to-from) / took.Seconds(), nil
}
