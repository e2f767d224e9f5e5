package sizing

import (
	"fmt"
	"os"
	"runtime"
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

// machine is the time that all processors of this machine have worked, and had, in the kernel's ticks.
type machine struct{ busy, all float64 }

// machineNow reads it; zero where there is no Linux.
func machineNow() (m machine) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return m
	}
	var user, nice, system, idle, wait, irq, soft float64
	if _, err := fmt.Sscanf(string(b), "cpu %g %g %g %g %g %g %g", &user, &nice, &system, &idle, &wait, &irq, &soft); err != nil {
		return m
	}
	m.busy = user + nice + system + irq + soft
	m.all = m.busy + idle + wait
	return m
}

// crowded is by which part of one processor's work, done beside the others' since before, those took longer:
// none where a processor is idle for it, and its share where all are at work.
func crowded(before, after machine) float64 {
	if after.all <= before.all {
		return 0
	}
	cpus := float64(runtime.NumCPU())
	idle := cpus * (1 - (after.busy-before.busy)/(after.all-before.all))
	return max(0, 1-idle) / cpus
}
