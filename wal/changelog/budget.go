package changelog

import "context"

// over reports whether the log has reached its budget; mu is held.
func (l *Log) over() bool {
	return l.opt.Budget > 0 && l.bytes+l.pending+l.spooled >= l.opt.Budget
}

// awaitRoom waits until the log is below its budget. What has been appended is synced first: only
// what readers can see can be applied and trimmed.
func (l *Log) awaitRoom(ctx context.Context) error {
	if _, err := l.Sync(); err != nil {
		return err
	}
	for {
		l.mu.Lock()
		err, over, changed := l.usable(), l.over(), l.changed
		if err == nil && over {
			l.alarm("change log is over its budget: nothing is confirmed until the target catches up")
		}
		l.mu.Unlock()
		if err != nil || !over {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// alarm raises the alarm, once; mu is held.
func (l *Log) alarm(what string) {
	if l.full {
		return
	}
	l.full = true
	l.wake()
	l.opt.Logger.Error(what, "bytes", l.bytes, "spooled", l.spooled, "budget", l.opt.Budget, "lsn", l.durable)
}

// relief ends the alarm when its reason is gone; mu is held.
func (l *Log) relief() {
	if l.full && !l.over() {
		l.full = false
		l.opt.Logger.Info("change log has room again", "bytes", l.bytes, "spooled", l.spooled, "budget", l.opt.Budget, "lsn", l.durable)
	}
}
