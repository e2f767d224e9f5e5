package pace

import (
	"sync"
	"time"
)

// deadline is a time that may be moved while somebody waits for it, as net.Pipe has it.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	ch    chan struct{} // closed once the time has passed
}

func newDeadline() deadline { return deadline{ch: make(chan struct{})} }

// passed is closed when the time has passed. It is to be asked for before each wait.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ch
}

// set moves the deadline; the zero time is never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.ch // the timer has fired and is about to close it
	}
	d.timer = nil
	left := time.Until(t)
	if t.IsZero() || left > 0 {
		select {
		case <-d.ch:
			d.ch = make(chan struct{})
		default:
		}
	}
	switch {
	case t.IsZero():
	case left > 0:
		ch := d.ch
		d.timer = time.AfterFunc(left, func() { close(ch) })
	default:
		d.pass()
	}
}

// pass closes the channel if it is open.
func (d *deadline) pass() {
	select {
	case <-d.ch:
	default:
		close(d.ch)
	}
}
