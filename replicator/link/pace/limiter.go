package pace

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Limiter holds all connections that wait for it, together, to what its Schedule says at the time.
// They are served in the order in which they ask, piece by piece, so none starves. A nil *Limiter
// caps nothing. It has no goroutine and need not be closed.
type Limiter struct {
	mu       sync.Mutex
	schedule Schedule
	cap      int64         // bytes per second that bucket is for
	bucket   *rate.Limiter // nil: no cap
	changed  chan struct{} // closed when bucket is replaced: who waits for the old one asks anew

	owed atomic.Int64 // bytes that writers of Writer have handed on and not waited for
}

// What was saved up while nothing was sent is 1/64 of a second's bytes at most: so no second is more
// than 1.6 % above the cap, and a process that is woken up to 15 ms late loses nothing. Pieces are
// no larger, and at most largestPiece, so that connections take turns, and the wait for one is short: 1/64
// of a second for each connection. Then the schedule is looked at again.
const (
	saved        = 64
	largestPiece = 64 << 10
)

// NewLimiter returns a Limiter that follows s.
func NewLimiter(s Schedule) *Limiter {
	return &Limiter{schedule: s, changed: make(chan struct{})}
}

// Set changes the schedule at once, also for who is waiting.
func (l *Limiter) Set(s Schedule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.schedule = s
	l.follow(time.Now())
}

// Schedule is what is followed.
func (l *Limiter) Schedule() Schedule {
	if l == nil {
		return Schedule{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.schedule
}

// Rate is the cap now, in bytes per second; 0 is none.
func (l *Limiter) Rate() int64 { return l.Schedule().At(time.Now()) }

// Wait returns when n bytes may be sent, or with ctx's error when that ends first; some of the bytes
// then count as sent.
func (l *Limiter) Wait(ctx context.Context, n int) error {
	for n > 0 {
		k, ok := l.take(n, ctx.Done(), nil)
		if !ok {
			return context.Cause(ctx)
		}
		n -= k
	}
	return nil
}

// take waits until some of n bytes may be sent and says how many. It is not ok when one of the
// channels was closed first.
func (l *Limiter) take(n int, gone, late <-chan struct{}) (k int, ok bool) {
	if l == nil {
		return n, true
	}
	for {
		now := time.Now()
		bucket, changed := l.current(now)
		if bucket == nil {
			return n, true
		}
		k := min(n, largestPiece, bucket.Burst())
		r := bucket.ReserveN(now, k)
		switch wait(r.DelayFrom(now), changed, gone, late) {
		case granted:
			return k, true
		case ended:
			r.Cancel()
			return 0, false
		}
	}
}

// outcome is how a wait ended.
type outcome int

const (
	granted outcome = iota
	again           // the cap has changed
	ended
)

// wait waits so long, unless one of the channels is closed before.
func wait(delay time.Duration, changed, gone, late <-chan struct{}) outcome {
	if delay <= 0 {
		return granted
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return granted
	case <-changed:
		return again
	case <-gone:
	case <-late:
	}
	return ended
}

// current is the bucket for now.
func (l *Limiter) current(now time.Time) (*rate.Limiter, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.follow(now)
	return l.bucket, l.changed
}

// follow replaces the bucket if the cap is another than it is for. The new one begins empty, and
// whoever waited for the old one, however long that was to be, asks the new one.
func (l *Limiter) follow(now time.Time) {
	limit := l.schedule.At(now)
	if limit == l.cap {
		return
	}
	l.cap, l.bucket = limit, nil
	if limit > 0 {
		burst := int(max(1, limit/saved))
		l.bucket = rate.NewLimiter(rate.Limit(limit), burst)
		l.bucket.AllowN(now, burst)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}
