package wire

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicator/bench/peer"
)

// TestPipeline runs programs at both ends of a wire.
func TestPipeline(t *testing.T) {
	w := testWire(t)
	l := &Link{Wire: w, Mbit: 1000}
	used := peer.Tool{Join: l.Join}
	path := filepath.Join(t.TempDir(), "out")
	err := used.Pipeline(t.Context(),
		peer.At(w.Source.Place(), "sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo far away"),
		peer.At(w.Source.Place(), "tr", "a-z", "A-Z"), peer.At(w.Target.Place(), "tee", path), peer.At(w.Target.Place(), "cat"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "FAR AWAY\n" {
		t.Errorf("%q arrived, %v", got, err)
	}
	if cpu := used.CPU(); cpu < 10*time.Millisecond {
		t.Errorf("a busy program used %s of CPU", cpu)
	}
}

// TestPipelineFails breaks a pipeline at each of its ends; the other must not wait for ever.
func TestPipelineFails(t *testing.T) {
	w := testWire(t)
	l := &Link{Wire: w, Mbit: 1000}
	for _, stages := range [][]peer.Stage{
		{peer.At(w.Source.Place(), "sh", "-c", "echo broken >&2; exit 3"), peer.At(w.Target.Place(), "cat")},
		{peer.At(w.Source.Place(), "sh", "-c", "yes"), peer.At(w.Target.Place(), "sh", "-c", "echo broken >&2; exit 3")},
	} {
		used := peer.Tool{Join: l.Join}
		if err := used.Pipeline(t.Context(), stages...); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%v", err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	used := peer.Tool{Join: l.Join}
	if err := used.Run(ctx, w.Source.Place(), "sleep", "1000"); err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("a program outlived its context: %v", err)
	}
}
