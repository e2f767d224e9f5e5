package link

import (
	"context"
	"errors"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// retryEvery is the pause between two attempts to reach a target end that was there before. Short,
// so that the stream goes on within seconds of the link's return.
const retryEvery = 500 * time.Millisecond

// run keeps the control connection up until ctx ends. Before the target end was reached for the
// first time, or when it refuses us, an attempt is made when somebody calls, and its failure is the
// call's: what is named wrongly does not come right by waiting.
func (r *Remote) run(ctx context.Context) {
	defer r.close()
	for ctx.Err() == nil {
		if !r.wanted(ctx) {
			continue
		}
		w, known, err := r.dialControl(ctx)
		if err != nil {
			r.attemptFailed(ctx, err)
			continue
		}
		r.up(w, known)
		err = r.serve(ctx, w)
		r.down(ctx, w, err)
	}
}

// wanted waits until a connection is of use.
func (r *Remote) wanted(ctx context.Context) bool {
	r.mu.Lock()
	wanted, changed := r.met && r.cause == nil || len(r.waiting) > 0, r.changed
	r.mu.Unlock()
	if wanted {
		return true
	}
	select {
	case <-changed:
	case <-ctx.Done():
	}
	return false
}

// attemptFailed fails the calls that wait for the first connection, or that are refused.
func (r *Remote) attemptFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	final := !pg.Lost(err)
	r.mu.Lock()
	if final || !r.met {
		for _, p := range r.waiting {
			p.err <- err
			delete(r.waiting, p.id)
		}
	}
	r.cause = nil
	if final {
		r.cause = err
	}
	close(r.failed)
	r.failed = make(chan struct{})
	r.mu.Unlock()
	r.gauge.down(err)
	r.report()
	_ = pg.Pause(ctx, retryEvery)
}

// up takes w for the control connection and sends the calls that wait. Those that a target end was
// given which has been started again are lost with it.
func (r *Remote) up(w *wire, known bool) {
	var again []*pending
	r.mu.Lock()
	restarted := r.met && !known
	r.control, r.met, r.cause = w, true, nil
	for _, p := range r.waiting {
		if restarted && p.sent {
			p.err <- lost("call the target end", errRestarted)
			delete(r.waiting, p.id)
			continue
		}
		p.sent = true
		again = append(again, p)
	}
	r.wake()
	r.mu.Unlock()
	r.gauge.up()
	r.report()
	r.cfg.Logger.Info("the target end is connected", "address", r.cfg.Address)
	for _, p := range again {
		_ = w.send(kindCall, p.epoch, p.id, p.req) // the target end knows it, or begins it
	}
}

var errRestarted = errors.New("it was started again")

// down ends what stands on w.
func (r *Remote) down(ctx context.Context, w *wire, err error) {
	w.close()
	r.mu.Lock()
	r.control = nil
	r.wake()
	r.mu.Unlock()
	r.hangUp()
	if ctx.Err() == nil {
		r.gauge.down(err)
		r.report()
		r.cfg.Logger.Warn("the link is down", "address", r.cfg.Address, "error", err)
	}
}

// close fails what waits.
func (r *Remote) close() {
	r.mu.Lock()
	for _, p := range r.waiting {
		p.err <- errClosed
	}
	clear(r.waiting)
	r.wake()
	r.mu.Unlock()
	r.hangUp()
}

// serve reads the control connection to its end and pings meanwhile.
func (r *Remote) serve(ctx context.Context, w *wire) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, w.close)
	defer stop()
	pinging := make(chan struct{})
	go func() {
		defer close(pinging)
		r.ping(ctx, w)
	}()
	err := r.results(w)
	cancel()
	<-pinging
	return err
}

// results hands results to their callers.
func (r *Remote) results(w *wire) error {
	for {
		_ = w.conn.SetReadDeadline(time.Now().Add(silence))
		h, body, err := w.read(nil)
		if err != nil {
			return err
		}
		switch h.kind {
		case kindPong:
			var p pulse
			if err := unpack(h.flags, body, &p); err != nil {
				return err
			}
			r.gauge.pong(h.call, p)
		case kindResult:
			var res result
			if err := unpack(h.flags, body, &res); err != nil {
				return err
			}
			r.deliver(h.call, res)
		default:
			return damaged("kind %d on the control connection", h.kind)
		}
	}
}

func (r *Remote) deliver(id uint64, res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.waiting[id]; p != nil {
		delete(r.waiting, id)
		p.done <- res
	}
}

// ping measures the round trip and, with the other end's pulse, where the time goes.
func (r *Remote) ping(ctx context.Context, w *wire) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for n := uint64(1); ; n++ {
		r.gauge.ping(n)
		if w.send(kindPing, r.epoch.Load(), n, nil) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		r.observe()
	}
}

// awaitUp waits until the link is up. It fails where the link was never up, or the target end
// refuses us.
func (r *Remote) awaitUp(ctx context.Context) error {
	for {
		r.mu.Lock()
		up, met, cause, changed, failed := r.control != nil, r.met, r.cause, r.changed, r.failed
		r.mu.Unlock()
		switch {
		case up:
			return nil
		case cause != nil:
			return cause
		case !met:
			return fault.New(fault.Link, errors.New("the target end is not connected"), "")
		}
		select {
		case <-changed:
		case <-failed:
		case <-r.gone:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// adopt counts a data or follow connection in, unless the link has gone down meanwhile.
func (r *Remote) adopt(w *wire) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.control != nil {
		r.carried[w] = struct{}{}
	}
	return r.control != nil
}

// drop closes a connection and counts it out.
func (r *Remote) drop(w *wire) {
	w.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.carried, w)
}

// hangUp ends all data and follow connections.
func (r *Remote) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.carried {
		w.close()
	}
}
