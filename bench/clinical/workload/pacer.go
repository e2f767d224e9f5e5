package workload

import (
	"context"
	"sync"
	"time"
)

// maxBehind bounds the burst that makes up for a stall: more than that is forgotten.
const maxBehind = time.Second

// pacer gives all workers together a rate of acts.
type pacer struct {
	interval time.Duration // 0: no pacing

	mu   sync.Mutex
	next time.Time
}

func newPacer(rate float64) *pacer {
	if rate == 0 {
		return &pacer{}
	}
	return &pacer{interval: time.Duration(float64(time.Second) / rate)}
}

// wait returns when the next act is due, with that moment, or false when ctx has ended.
func (p *pacer) wait(ctx context.Context) (due time.Time, ok bool) {
	now := time.Now()
	if p.interval == 0 {
		return now, ctx.Err() == nil
	}
	d := p.due(now)
	if d > 0 {
		pause(ctx, d)
	}
	return now.Add(d), ctx.Err() == nil
}

func (p *pacer) due(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if earliest := now.Add(-maxBehind); p.next.Before(earliest) {
		p.next = earliest
		if p.interval > maxBehind {
			p.next = now
		}
	}
	d := p.next.Sub(now)
	p.next = p.next.Add(p.interval)
	return d
}
