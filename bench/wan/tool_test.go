package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPipeline runs programs at both ends of a wire.
func TestPipeline(t *testing.T) {
	w := testWire(t)
	l := &link{wire: w, mbit: 1000}
	var used tool
	path := filepath.Join(t.TempDir(), "out")
	err := used.pipeline(t.Context(), l,
		at(w.source, "sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo far away"),
		at(w.source, "tr", "a-z", "A-Z"), at(w.target, "tee", path), at(w.target, "cat"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "FAR AWAY\n" {
		t.Errorf("%q arrived, %v", got, err)
	}
	if cpu := time.Duration(used.used.Load()); cpu < 10*time.Millisecond {
		t.Errorf("a busy program used %s of CPU", cpu)
	}
}

// TestPipelineFails breaks a pipeline at each of its ends; the other must not wait for ever.
func TestPipelineFails(t *testing.T) {
	w := testWire(t)
	l := &link{wire: w, mbit: 1000}
	for _, stages := range [][]stage{
		{at(w.source, "sh", "-c", "echo broken >&2; exit 3"), at(w.target, "cat")},
		{at(w.source, "sh", "-c", "yes"), at(w.target, "sh", "-c", "echo broken >&2; exit 3")},
	} {
		var used tool
		if err := used.pipeline(t.Context(), l, stages...); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%v", err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	var used tool
	if err := used.run(ctx, w.source, "sleep", "1000"); err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("a program outlived its context: %v", err)
	}
}
