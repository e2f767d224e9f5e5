package link

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"replicator/checksum/frame"
	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/target"
)

// mostDamage is how many frames in a row may arrive damaged before the link is given up.
const mostDamage = 20

var errLinkDamages = fault.New(fault.Link, errors.New("the link damages what it carries, again and again; nothing of it was applied"),
	"look for faulty memory or network hardware between the two sites")

// following is one connection on which changes follow.
type following struct {
	r    *Remote
	w    *wire
	call uint64
	out  chan outcome // has room for the one
}

type outcome struct {
	res apply.Result
	err error
}

// Follow implements target.End.
func (r *Remote) Follow(ctx context.Context, cfg target.FollowConfig, src apply.Source) (apply.Result, error) {
	if err := r.awaitUp(ctx); err != nil {
		return apply.Result{}, err
	}
	w, _, err := r.dial(ctx, forFollow, r.cfg.Limiter)
	if err != nil {
		return apply.Result{}, err
	}
	defer r.drop(w)
	if !r.adopt(w) {
		return apply.Result{}, lost("follow", errors.New("the link went down"))
	}
	f := &following{r: r, w: w, call: r.number(), out: make(chan outcome, 1)}
	if err := w.send(kindFollow, r.epoch.Load(), f.call, followBegin{Tables: cfg.Tables, Chunks: cfg.Chunks, Until: cfg.Until, Stop: cfg.Stop, Skip: cfg.Skip, DDL: cfg.DDL, Carried: cfg.Carried, Late: cfg.Late, Pinned: cfg.Pinned}); err != nil {
		return apply.Result{}, lost("follow", err)
	}
	return f.run(ctx, cfg, src)
}

// run sends and receives until the target end says how it ended, or the connection breaks.
func (f *following) run(ctx context.Context, cfg target.FollowConfig, src apply.Source) (apply.Result, error) {
	sending, stop := context.WithCancelCause(ctx)
	sent := make(chan error, 1)
	go func() { sent <- f.send(sending, src) }()
	read := make(chan struct{})
	go func() { defer close(read); f.out <- f.read(cfg.Report) }()
	// Nothing of this call goes on once it returns: neither here nor, unless it is out of reach, there.
	defer func() {
		stop(nil)
		f.w.close()
		<-read
		if sent != nil {
			<-sent
		}
		f.r.tell(kindForget, f.call)
	}()
	done := ctx.Done()
	var grace <-chan time.Time
	for {
		select {
		case o := <-f.out:
			if ctx.Err() != nil && o.err != nil {
				o.err = ctx.Err()
			}
			return o.res, o.err
		case err := <-sent:
			sent = nil
			if err != nil && ctx.Err() == nil && !errors.Is(err, errBrokenOff) {
				return apply.Result{}, err // of the source of changes
			}
		case <-done:
			done = nil
			f.r.tell(kindCancel, f.call)
			timer := time.NewTimer(silence)
			defer timer.Stop()
			grace = timer.C
		case <-grace:
			return apply.Result{}, ctx.Err()
		}
	}
}

// errBrokenOff says that the connection took no more; why is read from its other direction.
var errBrokenOff = errors.New("connection broke off")

// send sends frames as the source gives them.
func (f *following) send(ctx context.Context, src apply.Source) error {
	stop := context.AfterFunc(ctx, func() { _ = f.w.conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		sealed, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			if err := f.w.write(header{kind: kindEnd, epoch: f.r.epoch.Load(), call: f.call}, nil); err != nil {
				return errBrokenOff
			}
			return nil
		}
		if err != nil {
			return err
		}
		if err := f.w.write(header{kind: kindChange, epoch: f.r.epoch.Load(), call: f.call}, sealed); err != nil {
			return errBrokenOff
		}
		if h, err := frame.ReadHeader(sealed); err == nil {
			f.r.gauge.sealed(0, h.Raw, len(sealed))
		}
		f.r.cfg.Hook("link: changes sent")
	}
}

// read takes progress until the result.
func (f *following) read(report func(apply.Progress)) outcome {
	for {
		h, body, err := f.w.read(nil)
		if err != nil {
			return outcome{err: lost("follow", err)}
		}
		switch h.kind {
		case kindProgress:
			var p apply.Progress
			if err := unpack(h.flags, body, &p); err != nil {
				return outcome{err: lost("follow", err)}
			}
			if report != nil {
				report(p)
			}
			f.r.gauge.whole()
		case kindResult:
			return f.ended(h, body)
		default:
			return outcome{err: lost("follow", damaged("kind %d among progress", h.kind))}
		}
	}
}

func (f *following) ended(h header, body []byte) (o outcome) {
	var res result
	if err := unpack(h.flags, body, &res); err != nil {
		return outcome{err: lost("follow", err)}
	}
	if len(res.Value) > 0 {
		if err := json.Unmarshal(res.Value, &o.res); err != nil {
			return outcome{err: lost("follow", damaged("no result"))}
		}
	}
	o.err = f.r.damage("changes", res.Failure.err())
	return o
}
