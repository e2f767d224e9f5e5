package measure

import (
	"context"
	"time"
)

// Samples follow a counter over time.
type Samples struct {
	at    []time.Time
	total []int64
}

// every is often enough to see when a transfer of seconds begins and ends.
const every = 50 * time.Millisecond

// Follow reads a counter until ctx ends, which is no error.
func Follow(ctx context.Context, counter func() (int64, error)) (*Samples, error) {
	s := &Samples{}
	clock := time.NewTicker(every)
	defer clock.Stop()
	for {
		n, err := counter()
		if err != nil {
			return nil, err
		}
		s.add(time.Now(), n)
		select {
		case <-clock.C:
		case <-ctx.Done():
			if n, err = counter(); err == nil {
				s.add(time.Now(), n)
			}
			return s, err
		}
	}
}

func (s *Samples) add(at time.Time, n int64) {
	s.at = append(s.at, at)
	s.total = append(s.total, n)
}

// Total is what the counter went up by.
func (s *Samples) Total() int64 {
	if len(s.total) == 0 {
		return 0
	}
	return s.total[len(s.total)-1] - s.total[0]
}

// Core is the time in which the counter went from share edge of its total to share 1-edge, and by
// how much it went up then: without the quiet before and the trickle after.
func (s *Samples) Core(edge float64) (bytes int64, took time.Duration) {
	if len(s.total) == 0 {
		return 0, 0
	}
	reach := func(share float64) int {
		for i, n := range s.total {
			if float64(n-s.total[0]) >= share*float64(s.Total()) {
				return i
			}
		}
		return len(s.total) - 1
	}
	from, to := reach(edge), reach(1-edge)
	return s.total[to] - s.total[from], s.at[to].Sub(s.at[from])
}
