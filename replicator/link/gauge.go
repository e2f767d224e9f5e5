package link

import (
	"sync"
	"sync/atomic"
	"time"

	"replicator/checksum/frame"
	"replicator/replicator/status"
)

// gauge is what the source end measures of the link, and the level that it chooses by it.
type gauge struct {
	seal   atomic.Int64 // nanoseconds of sealing frames
	raw    atomic.Int64 // bytes before sealing
	packed atomic.Int64 // and after it
	live   atomic.Int64 // chunks under way
	resent atomic.Int64 // frames sent again
	hurt   atomic.Int64 // frames that arrived damaged
	inRow  atomic.Int64 // of those, since one arrived whole
	lvl    atomic.Int32

	mu     sync.Mutex
	choice chooser
	link   status.Link
	pulse  pulse
	pings  map[uint64]time.Time
	last   sample
}

// sample is the sums at one moment.
type sample struct {
	at               time.Time
	raw, packed      int64
	wire             traffic
	seal             time.Duration
	waiting, writing time.Duration // at the target end
}

func (g *gauge) init(c Compress) {
	g.choice = newChooser(c)
	g.lvl.Store(int32(g.choice.level))
	g.pings = map[uint64]time.Time{}
	g.link = status.Link{Level: g.choice.level.String(), Bottleneck: string(idle)}
}

func (g *gauge) level() frame.Level { return frame.Level(g.lvl.Load()) }

func (g *gauge) active(d int64) { g.live.Add(d) }
func (g *gauge) again(n int64)  { g.resent.Add(n) }
func (g *gauge) whole()         { g.inRow.Store(0) }

func (g *gauge) damage() (inRow int64) {
	g.hurt.Add(1)
	return g.inRow.Add(1)
}

func (g *gauge) sealed(d time.Duration, raw, packed int) {
	g.seal.Add(int64(d))
	g.raw.Add(int64(raw))
	g.packed.Add(int64(packed))
}

func (g *gauge) certificate(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.link.CertificateEnds = until
}

func (g *gauge) up() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.link.Connected {
		g.link.Connected, g.link.Since = true, time.Now().UTC()
		g.link.Connections++
	}
	g.link.LastError = ""
	clear(g.pings)
	g.last, g.pulse = sample{}, pulse{}
}

func (g *gauge) down(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.link.Connected {
		g.link.Connected, g.link.Since = false, time.Now().UTC()
	}
	g.link.LastError = err.Error()
	g.link.RoundTrip, g.link.WireRate, g.link.RawRate = 0, 0, 0
}

func (g *gauge) ping(n uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pings[n] = time.Now()
}

func (g *gauge) pong(n uint64, p pulse) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at, ok := g.pings[n]; ok {
		g.link.RoundTrip = time.Since(at).Seconds()
		delete(g.pings, n)
	}
	g.pulse = p
}

// observe takes a sample every second, and lets the chooser look at what has happened since the last.
func (r *Remote) observe() {
	g := &r.gauge
	wire := r.meter.sums()
	g.mu.Lock()
	now := sample{
		at: time.Now(), raw: g.raw.Load(), packed: g.packed.Load(), wire: wire, seal: time.Duration(g.seal.Load()),
		waiting: g.pulse.Wait, writing: g.pulse.Write,
	}
	if !g.last.at.IsZero() {
		g.look(now, g.last)
	}
	g.last = now
	g.mu.Unlock()
	r.report()
}

// report shows the link as it is now.
func (r *Remote) report() {
	r.gauge.mu.Lock()
	link := r.gauge.link
	r.gauge.mu.Unlock()
	link.Peer, link.Streams, link.MaxRate = r.cfg.Address, r.cfg.Streams, r.cfg.Limiter.Rate()
	link.OwnCertificateEnds = r.cfg.Identity.NotAfter
	link.Resent, link.Damaged = r.gauge.resent.Load(), r.gauge.hurt.Load()
	if r.cfg.Report != nil {
		r.cfg.Report(link)
	}
}

// look turns two samples into rates, a bottleneck and a level; g.mu is held.
func (g *gauge) look(now, last sample) {
	span := now.at.Sub(last.at).Seconds()
	if span <= 0 {
		return
	}
	l := &g.link
	l.WireRate, l.RawRate = float64(now.wire.written-last.wire.written)/span, float64(now.raw-last.raw)/span
	l.WireBytes, l.RawBytes = now.wire.written, now.raw
	l.Ratio = 0
	if now.packed > last.packed {
		l.Ratio = float64(now.raw-last.raw) / float64(now.packed-last.packed)
	}
	chunks := g.live.Load()
	s := shares{chunks: chunks}
	if chunks > 0 {
		whole := span * float64(chunks)
		s.blocked = (now.wire.blocked - last.wire.blocked).Seconds() / whole
		s.held = (now.wire.held - last.wire.held).Seconds() / whole
		s.sealing = (now.seal - last.seal).Seconds() / whole
		if far := now.waiting - last.waiting + now.writing - last.writing; far > 0 {
			s.writing = float64(now.writing-last.writing) / float64(far)
		}
	}
	b, level := g.choice.look(s)
	if chunks == 0 && now.packed > last.packed { // changes are on their way, over one connection
		b = judgeChanges((now.wire.blocked-last.wire.blocked).Seconds()/span, (now.wire.held-last.wire.held).Seconds()/span)
	}
	l.Bottleneck, l.Level = string(b), level.String()
	g.lvl.Store(int32(level))
}

// SetCompress changes how rows are compressed, from the next frame on.
func (r *Remote) SetCompress(c Compress) {
	r.gauge.mu.Lock()
	defer r.gauge.mu.Unlock()
	r.gauge.choice = newChooser(c)
	r.gauge.lvl.Store(int32(r.gauge.choice.level))
}
