package link

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/checksum/frame"
	"replicator/replicator/link/pace"
)

// Probe is a connection that measures the way to the target end and carries nothing else: what
// arrives is opened, as rows would be, and thrown away, and no database is asked. It belongs to one
// goroutine and is good for one [Probe.Up] or [Probe.Down], which leave it closed.
type Probe struct {
	w     *wire
	paced *pace.Conn
}

// fillBegin is the body of kindMeasure.
type fillBegin struct {
	Down bool          `json:"down,omitempty"` // the target end is to send, for Span
	Span time.Duration `json:"span"`
}

// arrived tells how many bytes the receiving side has read since a measurement began.
type arrived struct {
	Bytes int64         `json:"bytes"`
	At    time.Duration `json:"at"`
}

// Bounds of a measurement at the target end, whoever asks.
const (
	longestFill = time.Minute
	tellArrived = 100 * time.Millisecond
	fillBytes   = 64 << 10 // of a frame that the target end sends
)

// Probe dials a connection to measure with.
func (r *Remote) Probe(ctx context.Context) (*Probe, error) {
	w, _, err := r.dial(ctx, forMeasure, r.cfg.Limiter)
	if err != nil {
		return nil, err
	}
	p := &Probe{w: w}
	if c, ok := w.conn.(*tls.Conn); ok {
		p.paced, _ = c.NetConn().(*pace.Conn)
	}
	return p, nil
}

// Close ends the connection. It may be called more than once.
func (p *Probe) Close() { p.w.close() }

// RoundTrip is the time of one message there and back, through TLS and both processes.
func (p *Probe) RoundTrip(ctx context.Context) (time.Duration, error) {
	stop := context.AfterFunc(ctx, p.Close)
	defer stop()
	_ = p.w.conn.SetDeadline(time.Now().Add(silence))
	began := time.Now()
	if err := p.w.send(kindPing, 0, 1, nil); err != nil {
		return 0, lost("measure the round trip", err)
	}
	h, _, err := p.w.read(nil)
	took := time.Since(began)
	if err == nil && h.kind != kindPong {
		err = damaged("kind %d for an answer to a ping", h.kind)
	}
	if err != nil {
		return 0, lost("measure the round trip", err)
	}
	return took, nil
}

// Up sends the frames that next gives for span and returns the rate, bytes a second, at which they
// arrived once the connection had got going. next appends a sealed frame to dst.
func (p *Probe) Up(ctx context.Context, span time.Duration, next func(dst []byte) []byte) (float64, error) {
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	stop := context.AfterFunc(ctx, p.Close)
	defer stop()
	_ = p.w.conn.SetDeadline(time.Now().Add(span + silence))
	if err := p.w.send(kindMeasure, 0, 1, fillBegin{Span: span}); err != nil {
		return 0, lost("measure the link", err)
	}
	var seen gains
	var g errgroup.Group
	g.Go(func() error { return p.arrivals(&seen) })
	var buf []byte
	for ctx.Err() == nil {
		buf = next(buf[:0])
		if p.w.write(header{kind: kindFill, call: 1}, buf) != nil {
			break // the time is over, or the other side is gone
		}
	}
	early := ctx.Err() == nil
	p.Close()
	if err := g.Wait(); err != nil && early {
		return 0, lost("measure the link", err)
	}
	return seen.rate(), nil // 0: a slow line has brought nothing within the time
}

// arrivals reads what the other side says has arrived, until the connection ends.
func (p *Probe) arrivals(seen *gains) error {
	for {
		h, body, err := p.w.read(nil)
		if err != nil {
			return err
		}
		var a arrived
		if err := unpack(h.flags, body, &a); err != nil {
			return err
		}
		seen.add(a)
	}
}

// Down has the target end send for span and returns the rate at which that arrived.
func (p *Probe) Down(ctx context.Context, span time.Duration) (float64, error) {
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	stop := context.AfterFunc(ctx, p.Close)
	defer stop()
	if err := p.w.send(kindMeasure, 0, 1, fillBegin{Down: true, Span: span}); err != nil {
		return 0, lost("measure the link", err)
	}
	began, before := time.Now(), p.w.got.Load()
	early := false // the connection ended before the time was over
	var g errgroup.Group
	g.Go(func() error {
		var buf []byte
		for {
			_, body, err := p.w.read(buf)
			if err != nil {
				early = ctx.Err() == nil
				return err
			}
			buf = body
		}
	})
	var seen gains
	tick := time.NewTicker(tellArrived)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			seen.add(arrived{Bytes: p.w.got.Load() - before, At: time.Since(began)})
		case <-ctx.Done():
		}
	}
	if err := g.Wait(); err != nil && early && seen.rate() == 0 {
		return 0, lost("measure the link", err)
	}
	return seen.rate(), nil // 0: as above
}

// Loss is what TCP tells of one direction of a connection: bytes sent, and those of them sent again.
type Loss struct{ Sent, Resent uint64 }

// Loss asks the kernel; ok is false where it does not tell.
func (p *Probe) Loss() (l Loss, ok bool) {
	if p.paced == nil {
		return l, false
	}
	tcp, is := p.paced.Conn.(*net.TCPConn)
	if !is {
		return l, false
	}
	return tcpLoss(tcp)
}

// gains are moments of a transfer.
type gains struct{ list []arrived }

func (g *gains) add(a arrived) { g.list = append(g.list, a) }

// rate leaves the first third out, in which TCP finds out what the way can carry.
func (g *gains) rate() float64 {
	if len(g.list) == 0 {
		return 0
	}
	last := g.list[len(g.list)-1]
	from := arrived{}
	for _, a := range g.list {
		from = a
		if a.At >= last.At/3 {
			break
		}
	}
	if last.At <= from.At {
		from = arrived{}
	}
	if last.At <= 0 {
		return 0
	}
	return float64(last.Bytes-from.Bytes) / (last.At - from.At).Seconds()
}

// measure is a measuring connection at the target end.
func (s *Server) measure(ctx context.Context, w *wire, h *hello) error {
	if err := w.send(kindWelcome, 0, 0, welcome{}); err != nil {
		return err
	}
	w.bindTo(h.Job, h.Instance)
	for {
		_ = w.conn.SetDeadline(time.Now().Add(longestFill + silence))
		h, body, err := w.read(nil)
		if err != nil {
			return err
		}
		switch h.kind {
		case kindPing:
			err = w.send(kindPong, 0, h.call, pulse{})
		case kindMeasure:
			var b fillBegin
			if err := unpack(h.flags, body, &b); err != nil {
				return err
			}
			if b.Down {
				return w.fill(ctx, min(b.Span, longestFill))
			}
			return w.drain(ctx)
		default:
			err = damaged("kind %d on a measuring connection", h.kind)
		}
		if err != nil {
			return err
		}
	}
}

// fill sends bytes that nothing compresses.
func (w *wire) fill(ctx context.Context, span time.Duration) error {
	raw := make([]byte, fillBytes)
	if _, err := rand.Read(raw); err != nil {
		return err
	}
	sealed := frame.Seal(nil, frame.Header{Kind: frame.Rows}, raw, nil)
	for began := time.Now(); time.Since(began) < span && ctx.Err() == nil; {
		if err := w.write(header{kind: kindFill}, sealed); err != nil {
			return nil // the source end has seen enough
		}
	}
	return nil
}

// drain opens what arrives, throws it away, and tells how much it was. It ends with the connection.
func (w *wire) drain(ctx context.Context) error {
	began, before := time.Now(), w.got.Load()
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		tick := time.NewTicker(tellArrived)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
			if w.send(kindProgress, 0, 1, arrived{Bytes: w.got.Load() - before, At: time.Since(began)}) != nil {
				return nil // the reader below sees why
			}
		}
	})
	var buf, raw []byte
	var err error
	for err == nil && time.Since(began) < longestFill {
		var h header
		if h, buf, err = w.read(kept(buf)); err != nil {
			err = nil // the source end has seen enough
			break
		}
		if h.kind != kindFill {
			err = damaged("kind %d among what is measured", h.kind)
			break
		}
		if _, raw, err = frame.Open(buf, kept(raw)[:0]); err != nil && !errors.Is(err, frame.ErrCorrupt) {
			break
		}
	}
	cancel()
	_ = g.Wait()
	return err
}
