package workload

import (
	"maps"
	"sync"
)

// Stats count acts by how they ended. Of a lost one it is not known whether it committed.
type Stats struct {
	Committed  int64
	RolledBack int64 // because the act is one that takes its work back
	Refused    int64 // by a constraint or a missing right
	Conflicts  int64 // deadlock, serialization, lock timeout, cancelled, stale plan
	ReadOnly   int64 // the database takes no writes
	Lost       int64 // with the connection
	Connects   int64 // sessions opened; more than the workers: it had to connect again
	Rows       int64 // that committed acts wrote
	ByAct      map[string]int64
}

// outcome is how an act ended.
type outcome int

const (
	committed outcome = iota
	rolledBack
	refused
	conflict
	readOnly
	lost
	failed // nothing that the wards could have met
)

type tally struct {
	mu sync.Mutex
	s  Stats
}

func (t *tally) connected() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Connects++
}

func (t *tally) count(act string, o outcome, rows int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch o {
	case committed:
		t.s.Committed++
		t.s.Rows += rows
		if t.s.ByAct == nil {
			t.s.ByAct = map[string]int64{}
		}
		t.s.ByAct[act]++
	case rolledBack:
		t.s.RolledBack++
	case refused:
		t.s.Refused++
	case conflict:
		t.s.Conflicts++
	case readOnly:
		t.s.ReadOnly++
	case lost:
		t.s.Lost++
	}
}

func (t *tally) stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.s
	s.ByAct = maps.Clone(t.s.ByAct)
	return s
}
