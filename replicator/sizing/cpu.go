package sizing

import (
	"syscall"
	"time"
)

// clock measures time and how many processors this process kept busy meanwhile.
type clock struct {
	began time.Time
	used  time.Duration
}

func startClock() clock { return clock{time.Now(), cpuUsed()} }

func (c clock) seconds() float64 { return time.Since(c.began).Seconds() }

func (c clock) busy() float64 {
	if s := c.seconds(); s > 0 {
		return (cpuUsed() - c.used).Seconds() / s
	}
	return 0
}

func cpuUsed() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
