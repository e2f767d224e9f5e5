package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/bench/measure"
	"replicator/bench/peer"
)

// beatTable holds one row, which counts.
const beatTable = "CREATE TABLE public.heartbeat (id int PRIMARY KEY, n bigint NOT NULL); INSERT INTO public.heartbeat VALUES (1, 0)"

const (
	beatEvery = 20 * time.Millisecond
	lookEvery = time.Millisecond
	// beatWait is how long the last beats may take to arrive.
	beatWait = time.Minute
)

// heart remembers when it has beaten.
type heart struct {
	mu    sync.Mutex
	first int64
	sent  []time.Time
	over  bool
}

// beats lets a heart beat on the source and looks for its beats on the target.
func (w *world) beats(ctx context.Context, db string) (measure.Values, error) {
	h := &heart{}
	v, err := w.Source.Value(ctx, sourceDB, "SELECT n FROM public.heartbeat")
	if err != nil {
		return nil, err
	}
	if h.first, err = strconv.ParseInt(v, 10, 64); err != nil {
		return nil, err
	}
	before, began := machine(), time.Now()
	var lags []time.Duration
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.beat(ctx, h) })
	g.Go(func() (err error) {
		lags, err = w.watch(ctx, db, h)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	s := measure.Latencies("lag", lags)
	s["machine_busy"] = (machine() - before).Seconds() / time.Since(began).Seconds() / float64(measure.ThisMachine().Cores)
	return s, nil
}

func machine() time.Duration {
	d, _ := measure.MachineBusy() // without /proc/stat there is no other figure either
	return d
}

// beat writes until the time is over.
func (w *world) beat(ctx context.Context, h *heart) error {
	c, err := w.Source.Open(ctx, sourceDB)
	if err != nil {
		return err
	}
	defer c.Close()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for end := time.Now().Add(w.lagTime()); time.Now().Before(end); {
		h.mu.Lock()
		h.sent = append(h.sent, time.Now())
		n := h.first + int64(len(h.sent))
		h.mu.Unlock()
		if err := c.Exec(ctx, fmt.Sprintf("UPDATE public.heartbeat SET n = %d", n)); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	return nil
}

// watch looks at the target until it has shown every beat.
func (w *world) watch(ctx context.Context, db string, h *heart) (lags []time.Duration, err error) {
	c, err := w.Target.Open(ctx, db)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, w.lagTime()+beatWait)
	defer cancel()
	return lags, peer.Until(ctx, lookEvery, func() (bool, error) {
		v, err := c.Value(ctx, "SELECT n FROM public.heartbeat")
		if err != nil {
			return false, err
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return false, err
		}
		now := time.Now()
		h.mu.Lock()
		defer h.mu.Unlock()
		for ; int64(len(lags)) < n-h.first; lags = append(lags, now.Sub(h.sent[len(lags)])) {
		}
		return h.over && len(lags) == len(h.sent), nil
	})
}
