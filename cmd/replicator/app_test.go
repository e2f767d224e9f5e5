package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"replicator/replicator/fault"
)

// written is an app whose stderr is a file; read gives what is in it.
func written(t *testing.T) (a *app, stdout *bytes.Buffer, stderr func() string) {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/stderr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	stdout = &bytes.Buffer{}
	a = &app{stdout: stdout, stderr: newConsole(f, false), getenv: func(string) string { return "" }}
	return a, stdout, func() string {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestFail(t *testing.T) {
	stopped, stop := context.WithCancelCause(t.Context())
	stop(interruption{syscall.SIGTERM})
	canceled := fmt.Errorf("read chunk: %w", context.Canceled)
	for _, tc := range []struct {
		name   string
		ctx    context.Context
		err    error
		code   fault.Code
		stderr string
	}{
		{"no error", t.Context(), nil, fault.OK, ""},
		{"plain", t.Context(), errors.New("odd"), fault.Unexpected, "replicator: odd\n"},
		{"with code and hint", t.Context(), fault.New(fault.PositionLost, errors.New("slot is gone"), "seed again"), fault.PositionLost,
			"replicator: slot is gone\nhint: seed again\n"},
		{"several", t.Context(), errors.Join(errors.New("one"), errors.New("two\x1b[2J")), fault.Unexpected, "replicator: one; two?[2J\n"},
		{"stopped", stopped, canceled, fault.Interrupted, "replicator: stopped by signal: terminated\n"},
		{"stopped while it spoke to the source", stopped, fault.New(fault.Source, canceled, "look"), fault.Interrupted, "replicator: stopped by signal: terminated\n"},
		{"stopped, and the cause handed on", stopped, fmt.Errorf("drain: %w", context.Cause(stopped)), fault.Interrupted, "replicator: drain: stopped by signal: terminated\n"},
		{"stopped, and then the source failed", stopped, fault.New(fault.Source, errors.Join(context.Cause(stopped), errors.New("lift the fence: gone")), ""),
			fault.Source, "replicator: stopped by signal: terminated; lift the fence: gone\n"},
		{"stopped, but something else is the matter", stopped, fault.New(fault.Mismatch, canceled, ""), fault.Mismatch, "replicator: read chunk: context canceled\n"},
		{"canceled by nobody's signal", t.Context(), canceled, fault.Unexpected, "replicator: read chunk: context canceled\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, stdout, stderr := written(t)
			if code := a.fail(tc.ctx, tc.err); code != tc.code || stderr() != tc.stderr || stdout.Len() > 0 {
				t.Errorf("code %d, stderr %q, stdout %q; want %d, %q, nothing", code, stderr(), stdout, tc.code, tc.stderr)
			}
		})
	}
}

func TestFailPutsNoSecondDocumentOnStdout(t *testing.T) {
	a, stdout, _ := written(t)
	a.json = true
	if err := a.writeJSON(map[string]int{"version": 1}); err != nil {
		t.Fatal(err)
	}
	a.fail(t.Context(), errors.New("odd"))
	var one map[string]int
	if err := json.Unmarshal(stdout.Bytes(), &one); err != nil {
		t.Errorf("stdout is not one document: %v", err)
	}
}

func TestSize(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"17", 17, true}, {"17B", 17, true}, {"3kB", 3072, true}, {"20GB", 20 << 30, true}, {"2 TB", 2 << 40, true},
		{"", 0, false}, {"GB", 0, false}, {"-1GB", 0, false}, {"1.5GB", 0, false}, {"9999999999TB", 0, false}, {"1gb", 0, false},
	} {
		var n int64
		if err := (size{&n}).Set(tc.text); (err == nil) != tc.ok || n != tc.want {
			t.Errorf("%q: %d, error %v; want %d", tc.text, n, err, tc.want)
		}
	}
}

func TestPatterns(t *testing.T) {
	var list []string
	for _, v := range []string{`ed.*,record.patient`, `"Ward, 3".bed,x`, ``} {
		if err := (patterns{&list}).Set(v); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"ed.*", "record.patient", `"Ward, 3".bed`, "x"}; !slices.Equal(list, want) {
		t.Errorf("patterns %q, want %q", list, want)
	}
}

func TestTextLog(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(newTextHandler(&b, slog.LevelInfo)).With("job", "emr").WithGroup("chunk")
	log.Debug("not seen")
	log.Info("chunk copied", "table", "ed visit", "rows", 12)
	line := b.String()
	stamp, rest, _ := strings.Cut(line, " INFO ")
	if want := "chunk copied job=emr chunk.table=\"ed visit\" chunk.rows=12\n"; rest != want {
		t.Errorf("line %q, want %q after the time", line, want)
	}
	if len(stamp) != len(logTime) {
		t.Errorf("time %q, want it like %q", stamp, logTime)
	}
}

func TestLiveLineStaysBelow(t *testing.T) {
	a, _, stderr := written(t)
	a.stderr.tty = true
	a.stderr.setLine("copying 1 %")
	fmt.Fprintln(a.stderr, "a log line")
	a.stderr.setLine("")
	if want := eraseLine + "copying 1 %" + eraseLine + "a log line\ncopying 1 %" + eraseLine; stderr() != want {
		t.Errorf("stderr %q, want %q", stderr(), want)
	}
}

// TestDurationsInLogs: they read alike in both formats.
func TestDurationsInLogs(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		a, _, stderr := written(t)
		a.logFormat = format
		a.logger().Warn("target is out of reach", "retry_in", 1600*time.Millisecond)
		if !strings.Contains(stderr(), "1.6s") {
			t.Errorf("%s: %s", format, stderr())
		}
	}
}
