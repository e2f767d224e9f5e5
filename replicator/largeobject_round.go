package replicator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/largeobject"
	"replicator/replicator/target"
)

// roundOptions say how a round is done.
type roundOptions struct {
	jobs  int
	exact bool // every range is compared again until it is equal
	full  bool // by content, whatever was found equal before
	look  bool // nothing is written: what differs is counted
}

// tally is what a round has seen and done.
type tally struct {
	objects, bytes            int64 // on the source
	parts, proved             int   // ranges; those that had not changed since they were found equal
	written, altered, removed int64 // objects; where a round only looks, those to be
	seconds                   float64
}

// round is one round. Its workers share the ranges.
type round struct {
	*objects
	roundOptions
	sources *lender

	mu sync.Mutex
	t  tally
}

// showEvery is how often status learns how far a round is.
const showEvery = time.Second

// round compares all ranges and makes the target's equal.
func (o *objects) round(ctx context.Context, ro roundOptions) (tally, error) {
	began := time.Now()
	r := &round{objects: o, roundOptions: ro, sources: newLender(o.source, ro.jobs)}
	defer r.sources.close()
	var rec objectsRecord
	if _, err := o.store.Get(keyObjects, &rec); err != nil {
		return r.t, err
	}
	if err := r.plan(ctx, &rec); err != nil {
		return r.t, err
	}
	shown := began
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(ro.jobs)
	for i := range rec.Parts {
		g.Go(func() error {
			if err := r.part(gctx, &rec.Parts[i]); err != nil {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if time.Since(shown) > showEvery {
				shown = time.Now()
				o.show(r.t, rec, len(rec.Parts))
			}
			return nil
		})
	}
	err := g.Wait()
	if err == nil {
		rec.Rounds, rec.At = rec.Rounds+1, time.Now().UTC()
	}
	r.t.seconds = time.Since(began).Seconds()
	o.show(r.t, rec, len(rec.Parts))
	o.log.Debug("round of large objects", "objects", r.t.objects, "written", r.t.written, "altered", r.t.altered, "removed", r.t.removed,
		"ranges", r.t.parts, "unchanged", r.t.proved, "took", time.Since(began), "error", err)
	// What a round has proved holds, also where it did not come to its end.
	return r.t, errors.Join(err, o.store.Put(keyObjects, rec))
}

// plan cuts what has grown and joins what has shrunk.
func (r *round) plan(ctx context.Context, rec *objectsRecord) error {
	if len(rec.Parts) == 0 {
		rec.Parts = []largeobject.Part{{Range: largeobject.All, Weight: -1}}
	}
	return r.again(ctx, "cut large objects into ranges", func() error {
		var parts []largeobject.Part
		for i := range rec.Parts {
			p := &rec.Parts[i]
			if r.full {
				p.Proof = nil
			}
			if !p.Heavy() {
				parts = append(parts, *p)
				continue
			}
			ranges, err := r.cut(ctx, p.Range)
			if err != nil {
				return err
			}
			if len(ranges) == 1 { // one large object
				parts = append(parts, *p)
				continue
			}
			for _, c := range ranges {
				parts = append(parts, largeobject.Part{Range: c, Weight: largeobject.Limit})
			}
		}
		rec.Parts = largeobject.Join(parts)
		return nil
	})
}

func (r *round) cut(ctx context.Context, all largeobject.Range) ([]largeobject.Range, error) {
	conn, err := r.sources.take(ctx, "large objects")
	if err != nil {
		return nil, err
	}
	defer conn.giveBack()
	return largeobject.Cut(ctx, conn.Conn, all)
}

// exactTries is how often a range is compared at the fence, where nobody else writes.
const exactTries = 5

// part makes one range equal. Only a comparison proves that it is.
func (r *round) part(ctx context.Context, p *largeobject.Part) error {
	counted := false
	return r.again(ctx, "move large objects", func() error {
		for try := 1; ; try++ {
			d, err := r.compare(ctx, p, !counted)
			counted = counted || err == nil
			if err != nil || d.IsZero() {
				return err
			}
			if r.look {
				r.did(len(d.Write), len(d.Alter), len(d.Remove))
				return nil
			}
			if try > exactTries {
				return fault.New(fault.Mismatch, fmt.Errorf("large objects differ after they were written: %d of content, %d of owner or rights, %d too many on the target, between %d and %d",
					len(d.Write), len(d.Alter), len(d.Remove), p.From, p.To), "somebody else writes to the target, or the source takes writes")
			}
			for _, b := range d.Batches() {
				if err := r.write(ctx, &b); err != nil {
					return err
				}
			}
			if !r.exact {
				return nil
			}
		}
	})
}

// again is persist for work of which there is much: only trouble is shown, and not for every piece of it
// that there was none.
func (r *round) again(ctx context.Context, what string, f func() error) error {
	if err := f(); err == nil || ctx.Err() != nil || !retryable(err) {
		return err
	}
	return r.persist(ctx, what, f)
}

// compare lists a range on both sides: by content, unless neither has changed since it was found equal.
// The target is first: where it has nothing the source's content need not be read for that.
func (r *round) compare(ctx context.Context, p *largeobject.Part, count bool) (d largeobject.Difference, err error) {
	var ask struct{ src, tgt largeobject.Ask }
	ask.src.Range, ask.tgt.Range = p.Range, p.Range
	if p.Proof != nil {
		ask.src.Since, ask.tgt.Since = &p.Proof.Source, &p.Proof.Target
	}
	tgt, err := r.end.LargeObjects(ctx, ask.tgt)
	if err != nil {
		return d, err
	}
	ask.src.List = len(tgt.Objects) == 0 && !tgt.Same
	if p.Proof != nil && !tgt.Same {
		ask.src.Since = nil
	}
	src, err := r.listSource(ctx, ask.src)
	if err != nil {
		return d, err
	}
	if tgt.Same && !src.Same {
		if tgt, err = r.end.LargeObjects(ctx, largeobject.Ask{Range: p.Range}); err != nil {
			return d, err
		}
	}
	if src.Page != tgt.Page {
		return d, fault.New(fault.Preflight, errors.New("the servers differ in block_size: large objects cannot be compared"), "use a target with the source's block_size, or --large-objects no")
	}
	d = largeobject.Compare(&src, &tgt)
	p.Weight = src.Weight()
	unchanged := src.Same && tgt.Same
	switch {
	case !d.IsZero():
		p.Proof = nil
	case !unchanged:
		p.Proof = &largeobject.Proof{Source: src.Mark, Target: tgt.Mark}
	}
	if count {
		r.count(&src, unchanged)
	}
	return d, nil
}

func (r *round) listSource(ctx context.Context, ask largeobject.Ask) (largeobject.Answer, error) {
	conn, err := r.sources.take(ctx, "large objects")
	if err != nil {
		return largeobject.Answer{}, err
	}
	defer conn.giveBack()
	return largeobject.Read(ctx, conn.Conn, ask)
}

func (r *round) count(src *largeobject.Answer, unchanged bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.t.parts++
	if unchanged {
		r.t.proved++
	}
	r.t.objects += int64(len(src.Objects))
	r.t.bytes += src.Bytes()
}

// write does a batch. The session on the source comes first: nobody waits for one with half a
// transaction on the target in hand.
func (r *round) write(ctx context.Context, b *largeobject.Batch) error {
	if err := r.claim(ctx); err != nil {
		return err
	}
	bytes, err := r.send(ctx, b)
	if err != nil {
		return fmt.Errorf("write large objects: %w", err)
	}
	r.did(len(b.Write), len(b.Alter), len(b.Remove))
	r.objects.mu.Lock()
	r.objects.written, r.objects.removed, r.objects.bytes = r.objects.written+int64(len(b.Write)), r.objects.removed+int64(len(b.Remove)), r.objects.bytes+bytes
	r.objects.mu.Unlock()
	r.o.Hook("engine: large objects written")
	return nil
}

// did counts what was done, or is to be.
func (r *round) did(written, altered, removed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.t.written, r.t.altered, r.t.removed = r.t.written+int64(written), r.t.altered+int64(altered), r.t.removed+int64(removed)
}

func (r *round) send(ctx context.Context, b *largeobject.Batch) (bytes int64, err error) {
	conn, err := r.sources.take(ctx, "large objects")
	if err != nil {
		return 0, err
	}
	defer conn.giveBack()
	w, err := r.end.WriteLargeObjects(ctx, b)
	if err != nil {
		return 0, err
	}
	defer w.Abort()
	s := target.NewSealer(ctx, w)
	var rows int64
	if len(b.Write) > 0 {
		rows, err = largeobject.Pages(ctx, conn.Conn, largeobject.OIDs(b.Write), s)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return 0, err
	}
	conn.giveBack()
	return s.Bytes(), w.Commit(ctx, chunker.Receipt{Rows: rows, Bytes: s.Bytes(), Digest: s.Digest()})
}
