package status

import (
	"context"
	"time"
)

// Watch reads the status and shows it, at once and then every interval, until ctx ends, which is
// no error, or the job has come to an end: open, or failed with no engine running.
func Watch(ctx context.Context, every time.Duration, read func(context.Context) (Status, error), show func(Status) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		s, err := read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := show(s); err != nil {
			return err
		}
		if over(s) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func over(s Status) bool { return s.Phase == Open || s.Phase == Failed && !s.Running }
