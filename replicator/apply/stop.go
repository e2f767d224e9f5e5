package apply

import (
	"context"
	"errors"
	"time"
)

// stopAt ends Run with err, after the transactions of the window before the one that failed are
// committed: so the target stands right before it. Where that fails as well nothing of the window is.
func (a *applier) stopAt(ctx context.Context, err error) error {
	explained := a.explain(err)
	var f *failure
	if !errors.As(err, &f) || f.tx <= 0 || int(f.tx) >= a.win.done.txs {
		return explained
	}
	if a.session.rollback(ctx) != nil {
		return explained
	}
	a.win.done.changes = 0
	for i := range a.win.changes {
		if a.win.changes[i].tx >= f.tx {
			break
		}
		a.win.done.changes = i + 1
	}
	to := a.win.txs[f.tx-1].end
	if a.attempt(ctx, to, true) == nil {
		a.position, a.stored = to, time.Now()
		a.report.now.Applied = to
	}
	return explained
}
