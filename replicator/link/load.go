package link

import (
	"sync/atomic"
	"time"
)

// load is where the target end's data connections spend their time while a chunk is under way.
type load struct {
	wait  atomic.Int64 // nanoseconds: for the network
	write atomic.Int64 // nanoseconds: for the target to take rows, unpacking included
}

func (l *load) waited(d time.Duration) { l.wait.Add(int64(d)) }
func (l *load) wrote(d time.Duration)  { l.write.Add(int64(d)) }

// pulse is what a pong tells: sums since the session began.
type pulse struct {
	Wait  time.Duration `json:"wait_ns"`
	Write time.Duration `json:"write_ns"`
}

func (l *load) pulse() pulse {
	return pulse{Wait: time.Duration(l.wait.Load()), Write: time.Duration(l.write.Load())}
}
