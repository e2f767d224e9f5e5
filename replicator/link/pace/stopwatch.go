package pace

import (
	"sync"
	"time"
)

// stopwatch sums up the time during which it runs. It may run several times at once, and then counts
// each. What it shows never goes back.
type stopwatch struct {
	mu      sync.Mutex
	total   time.Duration
	running int
	last    time.Time // when total was right
}

func (s *stopwatch) start() { s.run(1) }
func (s *stopwatch) stop()  { s.run(-1) }

func (s *stopwatch) run(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	s.running += n
}

func (s *stopwatch) sum() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	return s.total
}

func (s *stopwatch) advance() {
	now := time.Now()
	if s.running > 0 {
		s.total += time.Duration(s.running) * now.Sub(s.last)
	}
	s.last = now
}
