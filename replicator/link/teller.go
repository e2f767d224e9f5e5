package link

import (
	"encoding/json"
	"sync"
	"time"

	"replicator/replicator/apply"
)

// teller sends progress back. While one report is on its way the next ones replace each other: they
// are sums, and the latest holds all of them.
type teller struct {
	w    *wire
	call uint64
	wake chan struct{}
	gone chan struct{}

	mu    sync.Mutex
	next  *apply.Progress
	ended bool
}

// between is the least time between two reports, so that they do not crowd a thin link. A report
// that is the first for this long goes out at once.
const between = 20 * time.Millisecond

func newTeller(w *wire, call uint64) *teller {
	t := &teller{w: w, call: call, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	go t.run()
	return t
}

// tell is FollowConfig.Report.
func (t *teller) tell(p apply.Progress) {
	t.mu.Lock()
	t.next = &p
	t.mu.Unlock()
	t.nudge()
}

func (t *teller) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// close sends what is left.
func (t *teller) close() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.nudge()
	<-t.gone
}

func (t *teller) run() {
	defer close(t.gone)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for range t.wake {
		<-pause.C
		pause.Reset(between)
		t.mu.Lock()
		p, ended := t.next, t.ended
		t.next = nil
		t.mu.Unlock()
		if p != nil && t.w.send(kindProgress, 0, t.call, p) != nil || ended {
			return
		}
	}
}

func jsonOf(v any) (json.RawMessage, error) { return json.Marshal(v) }
