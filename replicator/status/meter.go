package status

import "time"

// meterSpan is how far back a rate looks: long enough that a chunk's commit is no spike, short
// enough that a stall shows.
const meterSpan = 30 * time.Second

// meter measures a rate over the last meterSpan, in buckets of a second.
type meter struct {
	start   time.Time
	buckets [int(meterSpan/time.Second) + 1]bucket
}

type bucket struct {
	second int64
	n      int64
}

func (m *meter) add(now time.Time, n int64) {
	if m.start.IsZero() {
		m.start = now
	}
	sec := now.Unix()
	b := &m.buckets[sec%int64(len(m.buckets))]
	if b.second != sec {
		*b = bucket{second: sec}
	}
	b.n += n
}

// rate is per second.
func (m *meter) rate(now time.Time) float64 {
	if m.start.IsZero() {
		return 0
	}
	var sum int64
	oldest := now.Add(-meterSpan).Unix()
	for _, b := range m.buckets {
		if b.second > oldest {
			sum += b.n
		}
	}
	span := min(now.Sub(m.start), meterSpan)
	return float64(sum) / max(span.Seconds(), 1)
}
