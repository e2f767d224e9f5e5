package status

import (
	"time"

	"replicator/wal"
)

// mostPending bounds what is remembered of transactions under way; beyond it every other one is
// forgotten, never the oldest.
const mostPending = 1024

// pending remembers when what is received and not applied was committed on the source.
type pending struct {
	commits []commit
	last    time.Time // commit that was added last
}

type commit struct {
	end wal.LSN
	at  time.Time
}

// add notes a transaction. What is received without one, from a source that is idle, is told with
// the commit before and is not older for that.
func (p *pending) add(end wal.LSN, at time.Time) {
	if n := len(p.commits); at.IsZero() || at.Equal(p.last) || n > 0 && end <= p.commits[n-1].end {
		return
	}
	p.last = at
	if len(p.commits) == mostPending {
		for i := 1; i < mostPending/2; i++ {
			p.commits[i] = p.commits[2*i]
		}
		p.commits = p.commits[:mostPending/2]
	}
	p.commits = append(p.commits, commit{end, at})
}

func (p *pending) drop(applied wal.LSN) {
	i := 0
	for i < len(p.commits) && p.commits[i].end <= applied {
		i++
	}
	p.commits = append(p.commits[:0], p.commits[i:]...)
}

// age is that of the oldest, in seconds; 0 when there is none.
func (p *pending) age(now time.Time) float64 {
	if len(p.commits) == 0 {
		return 0
	}
	return max(0, now.Sub(p.commits[0].at).Seconds())
}
