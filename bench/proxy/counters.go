package proxy

// Counters are totals since Listen.
type Counters struct {
	Up, Down  int64 // bytes carried
	Swallowed int64 // bytes lost, both directions
	Accepted  int64 // connections that clients made
	Refused   int64 // of these, closed at once by a cut
	Reset     int64 // connections reset by ResetOne and DropEvery
	Flipped   int64 // bits
	Open      int   // connections now
}

// Counters returns the totals as they are now.
func (p *Proxy) Counters() Counters {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.count
	c.Up, c.Down = p.ways[Up].carried, p.ways[Down].carried
	c.Open = len(p.conns)
	return c
}
