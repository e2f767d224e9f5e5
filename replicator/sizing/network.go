package sizing

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/checksum/column"
	"replicator/checksum/frame"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/link"
	"replicator/replicator/pg"
	"replicator/replicator/sizing/forecast"
)

// mostStreams is up to how many streams are tried.
const mostStreams = 8

// pings is how many round trips are measured.
const pings = 20

// network is a measurement of the way under way.
type network struct {
	o    *Options
	r    *link.Remote
	n    *Network
	loss loss // since it was asked for last
}

// loss adds up what connections sent, and sent again.
type loss struct{ sent, resent atomic.Uint64 }

// share is the part that was sent again, and begins anew; ok is false where nobody told.
func (l *loss) share() (part float64, ok bool) {
	sent, resent := l.sent.Swap(0), l.resent.Swap(0)
	return over(float64(resent), float64(sent)), sent > 0
}

// measureNetwork measures the way to replicator serve within span. rows are samples of own rows by
// table; there may be none.
func (o *Options) measureNetwork(ctx context.Context, rows []rowSample, r *Report, span time.Duration) error {
	cfg := *o.Link
	cfg.Scratch, cfg.Logger = true, o.Logger
	remote, err := link.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer remote.Close()
	m := &network{o: o, r: remote, n: &Network{Address: cfg.Address}}
	r.Network = m.n
	o.Tell("the network: round trip")
	if err := m.roundTrip(ctx); err != nil {
		return err
	}
	half := span / halfShare
	parts := (span - half) / 3
	if len(rows) == 0 {
		parts = (span - half) / 2
	}
	o.Tell("the network: bytes to the target's site")
	if m.n.Up, err = m.sweep(ctx, parts, m.up); err != nil {
		return err
	}
	m.n.Streams, m.n.Wire = fills(m.n.Up)
	m.n.ResentFull, m.n.LossKnown = m.loss.share()
	o.Tell("the network: half of that")
	if _, err := m.streams(ctx, 1, half, m.half); err != nil {
		return err
	}
	m.n.Resent, _ = m.loss.share()
	o.Tell("the network: bytes from the target's site")
	if m.n.Down, err = m.sweep(ctx, parts, m.down); err != nil {
		return err
	}
	if len(rows) > 0 {
		o.Tell("the network: own rows")
		return m.ownRows(ctx, rows, parts)
	}
	return nil
}

func (m *network) roundTrip(ctx context.Context) error {
	p, err := m.r.Probe(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	var took []float64
	for range pings {
		d, err := p.RoundTrip(ctx)
		if err != nil {
			return err
		}
		took = append(took, d.Seconds())
	}
	m.n.RoundTrip = Latency{P50: forecast.Quantile(took, 0.5), P95: forecast.Quantile(took, 0.95), Worst: forecast.Quantile(took, 1)}
	return nil
}

// sweep measures with 1, 2, 4 ... streams.
func (m *network) sweep(ctx context.Context, span time.Duration, one func(context.Context, *link.Probe, time.Duration) (float64, error)) ([]Point, error) {
	var list []Point
	counts, until := steps(mostStreams), time.Now().Add(span)
	for _, n := range counts {
		if len(list) > 0 && tooSlow(list[0].Rate, n, span/time.Duration(len(counts))) {
			// A slow line takes its time to show what it carries: it gets what is left.
			rate, err := m.streams(ctx, list[0].Connections, max(leastSpan, time.Until(until)), one)
			if rate > 0 {
				list[0].Rate = rate
			}
			return list[:1], err
		}
		clock := startClock()
		rate, err := m.streams(ctx, n, span/time.Duration(len(counts)), one)
		if err != nil {
			return list, err
		}
		list = append(list, Point{Connections: n, Rate: rate, CPU: clock.busy()})
	}
	return list, nil
}

const leastSpan = 100 * time.Millisecond

// tooSlow reports that a line carries so little that n streams would not each get far enough to say
// anything; it is full with fewer.
func tooSlow(rate float64, n int, span time.Duration) bool {
	return rate*span.Seconds() < float64(n)*sayingBytes
}

// sayingBytes is what a stream must carry to say something: some TLS records.
const sayingBytes = 96 << 10

// streams is the rate of n of them together.
func (m *network) streams(ctx context.Context, n int, span time.Duration, one func(context.Context, *link.Probe, time.Duration) (float64, error)) (float64, error) {
	probes := make([]*link.Probe, n)
	for i := range probes {
		p, err := m.r.Probe(ctx)
		if err != nil {
			return 0, err
		}
		defer p.Close()
		probes[i] = p
	}
	rates := make([]float64, n)
	g, ctx := errgroup.WithContext(ctx)
	for i, p := range probes {
		g.Go(func() (err error) {
			rates[i], err = one(ctx, p, span)
			return err
		})
	}
	err := g.Wait()
	var sum float64
	for _, r := range rates {
		sum += r
	}
	return sum, err
}

// Sizes of a frame of bytes that nothing compresses: small, so that also a slow line carries some within its
// time, and smaller yet where a line is to be half full, also for moments.
const (
	noiseBytes = 32 << 10
	halfBytes  = 8 << 10
)

// halfShare is the part of the time in which the line is half full.
const halfShare = 10

func (m *network) up(ctx context.Context, p *link.Probe, span time.Duration) (float64, error) {
	return m.noise(ctx, p, span, noiseBytes, 0)
}

// half sends half as fast as the wire takes: what is lost then the line has lost, not its full queue.
func (m *network) half(ctx context.Context, p *link.Probe, span time.Duration) (float64, error) {
	return m.noise(ctx, p, span, halfBytes, m.n.Wire/2)
}

// noise sends frames of some bytes, no faster than rate; 0: as fast as they go.
func (m *network) noise(ctx context.Context, p *link.Probe, span time.Duration, bytes int, rate float64) (float64, error) {
	raw := make([]byte, bytes)
	if _, err := rand.Read(raw); err != nil {
		return 0, err
	}
	sealed := frame.Seal(nil, frame.Header{Kind: frame.Rows}, raw, nil)
	before, _ := p.Loss()
	after, began, sent := before, time.Now(), 0.0
	got, err := p.Up(ctx, span, func(dst []byte) []byte {
		if l, ok := p.Loss(); ok {
			after = l
		}
		_ = pg.Pause(ctx, time.Duration(over(sent, rate)*float64(time.Second))-time.Since(began)) // Up sees that ctx has ended
		sent += float64(len(sealed))
		return append(dst, sealed...)
	})
	m.loss.sent.Add(after.Sent - before.Sent)
	m.loss.resent.Add(after.Resent - before.Resent)
	return got, err
}

func (m *network) down(ctx context.Context, p *link.Probe, span time.Duration) (float64, error) {
	return p.Down(ctx, span)
}

// enough is the part of the best rate that counts as all of it: more streams cost memory.
const enough = 0.95

// fills is the smallest number of streams that fills the wire, and the wire.
func fills(list []Point) (streams int, wire float64) {
	for _, p := range list {
		wire = max(wire, p.Rate)
	}
	for _, p := range list {
		if p.Rate >= enough*wire {
			return p.Connections, wire
		}
	}
	return 0, wire
}

// rowSample is rows of one table and how much of the database they stand for.
type rowSample struct {
	table  *chunker.Table
	rows   []byte
	layout *column.Layout // nil: rows stay in row order
}

// newRowSample finds out how the columns are best put in order, which a seed does once a table.
func newRowSample(t *chunker.Table, rows []byte) rowSample {
	s := rowSample{table: t, rows: rows}
	if !t.Text {
		s.layout = column.NewLayout()
		frame.NewPacker().Seal(nil, frame.Header{Kind: frame.Rows}, rows, frame.Default, s.layout)
	}
	return s
}

// rowSamples reads a frame of the largest tables, as many as matter.
func (c *catalog) rowSamples(ctx context.Context) ([]rowSample, error) {
	var list []rowSample
	for i := range c.tables {
		if len(list) == mostRowSamples {
			break
		}
		rows, err := c.rows(ctx, &c.tables[i], rowSampleBytes)
		if skip(err) || err == nil && len(rows) == 0 {
			continue
		}
		if err != nil {
			return nil, fault.New(fault.Source, err, "")
		}
		list = append(list, newRowSample(&c.tables[i], rows))
	}
	return list, nil
}

const (
	mostRowSamples = 12
	rowSampleBytes = 512 << 10
)

// ownRows sends samples at every level over the streams that fill the wire, and at the best over one.
func (m *network) ownRows(ctx context.Context, rows []rowSample, span time.Duration) error {
	most := max(1, min(m.n.Streams, link.DefaultStreams))
	type try struct {
		level   frame.Level
		streams int
	}
	tries := []try{{frame.Off, most}, {frame.Fastest, most}, {frame.Default, most}}
	if most > 1 {
		tries = append(tries, try{frame.Default, 1})
	}
	for _, t := range tries {
		p, err := m.sendRows(ctx, rows, t.level, t.streams, span/time.Duration(len(tries)))
		if err != nil {
			return err
		}
		m.n.Rows = append(m.n.Rows, p)
		if m.n.Best == nil || p.Rows > m.n.Best.Rows*(2-enough) {
			m.n.Best = &p
		}
	}
	return nil
}

// sendRows packs and sends rows with n streams, tables as often as their size says.
func (m *network) sendRows(ctx context.Context, rows []rowSample, level frame.Level, n int, span time.Duration) (RowPoint, error) {
	clock := startClock()
	var raw, packed atomic.Int64
	turn := newTurns(rows)
	wire, err := m.streams(ctx, n, span, func(ctx context.Context, p *link.Probe, span time.Duration) (float64, error) {
		packer := frame.NewPacker()
		return p.Up(ctx, span, func(dst []byte) []byte {
			i := turn.next()
			dst = packer.Seal(dst, frame.Header{Kind: frame.Rows}, rows[i].rows, level, rows[i].layout)
			raw.Add(int64(len(rows[i].rows)))
			packed.Add(int64(len(dst)))
			return dst
		})
	})
	out := RowPoint{Level: level.String(), Streams: n, Wire: wire, CPU: clock.busy()}
	if packed.Load() > 0 {
		out.Rows = wire * float64(raw.Load()) / float64(packed.Load())
	}
	return out, err
}

// turns hands out tables so that each comes as often as its bytes say.
type turns struct {
	owed []float64
	part []float64
	lock chan struct{}
}

func newTurns(rows []rowSample) *turns {
	t := &turns{owed: make([]float64, len(rows)), part: make([]float64, len(rows)), lock: make(chan struct{}, 1)}
	var sum float64
	for i := range rows {
		// A table of many bytes comes with more frames, not with larger ones.
		t.part[i] = float64(max(1, rows[i].table.Bytes)) / float64(max(1, len(rows[i].rows)))
		sum += t.part[i]
	}
	for i := range t.part {
		t.part[i] /= sum
	}
	return t
}

func (t *turns) next() int {
	t.lock <- struct{}{}
	defer func() { <-t.lock }()
	best := 0
	for i := range t.owed {
		t.owed[i] += t.part[i]
		if t.owed[i] > t.owed[best] {
			best = i
		}
	}
	t.owed[best]--
	return best
}
