package replicator

import (
	"context"
	"errors"
	"time"

	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal/changelog"
)

// persist runs f until it succeeds, ctx ends, or it fails for a reason that does not go away. A lost
// connection and what the server calls transient do: a hospital's servers restart at night, and the
// job waits for them. But a server that this run has not reached at all is more likely named wrongly
// than restarting. what names the work in logs and in status.
func (j *job) persist(ctx context.Context, what string, f func() error) error {
	wait := retryFirst
	for {
		began := time.Now()
		err := f()
		if err == nil || ctx.Err() != nil || !retryable(err) || pg.Lost(err) && !j.met {
			if err == nil {
				j.tracker.Wait("")
			}
			return err
		}
		if time.Since(began) > retryMost {
			wait = retryFirst // it worked for a while: a new trouble, not the old one
		}
		j.log.Warn("trying again", "what", what, "error", err, "wait", wait)
		j.tracker.Retry(what, waiting(what, err), err)
		if err := pg.Pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, retryMost)
	}
}

// waiting says in words what work waits for. What broke when the link did is of no help to people.
func waiting(what string, err error) string {
	if fault.CodeOf(err) == fault.Link {
		return what + ": the link to the other site"
	}
	return what + ": " + err.Error()
}

// retryable says which errors go away by themselves.
func retryable(err error) bool {
	return pg.Lost(err) || pg.Transient(err) || errors.Is(err, errAgain) || errors.Is(err, errPassing) || errors.As(err, new(*apply.RestartError)) ||
		errors.Is(err, changelog.ErrFull) || // until somebody makes room, or apply lets the log be trimmed
		pg.State(err) == "55006" // the slot is still held by our own dead session
}

// interrupted reports whether err only says that we were told to stop.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || pg.State(err) == "57014" || pg.Lost(err) || errors.Is(err, ctx.Err()))
}
