package status

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchEndsWithTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phases := []Phase{Copying, Following, Fenced, Open, Open}
		start, calls, shown := time.Now(), 0, []Phase{}
		err := Watch(t.Context(), time.Second,
			func(context.Context) (Status, error) {
				calls++
				return Status{Phase: phases[calls-1], Running: true}, nil
			},
			func(s Status) error { shown = append(shown, s.Phase); return nil })
		if err != nil || len(shown) != 4 || shown[3] != Open {
			t.Errorf("showed %v, error %v", shown, err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("four looks a second apart took %v", took)
		}
	})
}

func TestWatchFailedJobThatStillRunsIsNotOver(t *testing.T) {
	if over(Status{Phase: Failed, Running: true}) || !over(Status{Phase: Failed}) {
		t.Error("failed is the end if and only if no engine runs")
	}
}

func TestWatchEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	read := func(ctx context.Context) (Status, error) { cancel(); return Status{}, ctx.Err() }
	if err := Watch(ctx, time.Hour, read, func(Status) error { return nil }); err != nil {
		t.Errorf("told to stop: %v", err)
	}
	gone := errors.New("gone")
	if err := Watch(t.Context(), time.Hour, func(context.Context) (Status, error) { return Status{}, gone }, nil); !errors.Is(err, gone) {
		t.Errorf("error %v, want %v", err, gone)
	}
}
