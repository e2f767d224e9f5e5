package proxy

import (
	"sync"
	"syscall"
	"time"
)

// pace spreads the bytes of a direction over time.
type pace struct {
	rate int64 // bytes per second; 0: no limit

	mu   sync.Mutex
	next time.Time // when the line is free again
}

// step is how long a single read may occupy a line: small enough to look like a stream.
const step = 5 * time.Millisecond

// most is the largest sensible read.
func (p *pace) most() int {
	if p.rate == 0 {
		return readBytes
	}
	return int(min(max(p.rate*int64(step)/int64(time.Second), 1), readBytes))
}

// reserve takes the line for n bytes and says when the last of them is on it.
func (p *pace) reserve(n int) time.Time {
	now := time.Now()
	if p.rate == 0 {
		return now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	return p.next
}

// coarse is how late Go's timers may fire on Linux, with room: the runtime sleeps in milliseconds.
const coarse = 2 * time.Millisecond

// wait returns at the moment until, or earlier with false when done is closed; the last two
// milliseconds are not interrupted. It is exact to about 0.1 ms.
func wait(done <-chan struct{}, until time.Time) bool {
	if left := time.Until(until) - coarse; left > 0 {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-done:
			return false
		}
	}
	for left := time.Until(until); left > 0; left = time.Until(until) {
		ts := syscall.NsecToTimespec(int64(left))
		_ = syscall.Nanosleep(&ts, nil) // EINTR: the loop sleeps the rest
	}
	select {
	case <-done:
		return false
	default:
		return true
	}
}
