package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// engine answers with what it is given.
type engine struct {
	catchup func(context.Context, Request, func(catchup.Event)) (*catchup.Report, error)
}

func (engine) Status() status.Status {
	return status.Status{Version: status.Version, Job: "emr", Phase: status.Following, Running: true, PID: 7}
}

func (e engine) Set(name, value string) error { return nil }

func (e engine) Verify(context.Context, verify.Options, func(verify.Event)) (*verify.Report, error) {
	return nil, nil
}

func (e engine) Catchup(ctx context.Context, r Request, event func(catchup.Event)) (*catchup.Report, error) {
	return e.catchup(ctx, r, event)
}

// serve runs an engine's socket; stop ends it and returns what Serve did.
func serve(t *testing.T, dir string, e Engine) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, dir, Handler(e)) }()
	t.Cleanup(cancel)
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := Client(dir).Status(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrNotRunning) || time.Now().After(deadline) {
			t.Fatalf("the server does not answer: %v", err)
		}
	}
	return func() error { cancel(); return <-ended }
}

func longDir(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestStatus(t *testing.T) {
	for name, dir := range map[string]string{"short": t.TempDir(), "long": longDir(t)} {
		t.Run(name, func(t *testing.T) {
			stop := serve(t, dir, engine{})
			got, err := Client(dir).Status(t.Context())
			if want := (engine{}).Status(); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("status %+v, error %v, want %+v", got, err, want)
			}
			info, err := os.Stat(filepath.Join(dir, Name))
			if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
				t.Errorf("socket %v, error %v, want a socket of mode 0600", info.Mode(), err)
			}
			if err := stop(); err != nil {
				t.Errorf("serve: %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, error %v", left, err)
			}
		})
	}
}

func TestNotRunning(t *testing.T) {
	killed := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(killed, Name)})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for name, dir := range map[string]string{
		"no socket": t.TempDir(), "no directory": filepath.Join(t.TempDir(), "none"),
		"no directory with a long name": filepath.Join(t.TempDir(), strings.Repeat("long", 40)),
		"long":                          longDir(t), "of a killed engine": killed,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Client(dir).Status(t.Context()); !errors.Is(err, ErrNotRunning) {
				t.Errorf("status: %v, want %v", err, ErrNotRunning)
			}
			if _, err := Client(dir).Catchup(t.Context(), Request{}, nil); !errors.Is(err, ErrNotRunning) {
				t.Errorf("catchup: %v, want %v", err, ErrNotRunning)
			}
		})
	}
	if err := serve(t, killed, engine{})(); err != nil {
		t.Errorf("over the socket of a killed engine: %v", err)
	}
}

func TestServeTellsWhyItCannot(t *testing.T) {
	err := Serve(t.Context(), filepath.Join(t.TempDir(), "none"), http.NotFoundHandler())
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
}

func TestCatchup(t *testing.T) {
	want := Request{Fence: "operator", Verify: "full", Rehearse: true, Timeout: time.Minute, Operator: catchup.Operator{User: "dba", Host: "emr-1"}}
	documents := []catchup.Document{{Extension: "html", Text: []byte("<p>\xff\n"), Signature: []byte("signed")}} // bytes, not text
	events := []catchup.Event{
		{At: time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC), Step: "fence", State: catchup.StepBegins},
		{At: time.Date(2026, 11, 22, 19, 0, 1, 0, time.UTC), Step: "fence", State: catchup.StepEnds, Seconds: 1, Text: "3 sessions ended"},
	}
	mismatch := fault.New(fault.Mismatch, errors.New("table ed.visit differs"), "do not open")
	for _, tc := range []struct {
		name   string
		report *catchup.Report
		err    error
	}{
		{"opened", &catchup.Report{Version: 1, Outcome: catchup.Opened, FenceLSN: 0x16B374D848, PublicKey: "RW", Documents: documents}, nil},
		{"failed", &catchup.Report{Version: 1, Outcome: catchup.Failed}, mismatch},
		{"failed without a report", nil, mismatch},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			serve(t, dir, engine{func(_ context.Context, r Request, event func(catchup.Event)) (*catchup.Report, error) {
				if r != want {
					t.Errorf("request %+v, want %+v", r, want)
				}
				for _, e := range events {
					event(e)
				}
				return tc.report, tc.err
			}})
			var got []catchup.Event
			report, err := Client(dir).Catchup(t.Context(), want, func(e catchup.Event) { got = append(got, e) })
			if !reflect.DeepEqual(got, events) || !reflect.DeepEqual(report, tc.report) {
				t.Errorf("events %+v\nreport %+v", got, report)
			}
			if fault.CodeOf(err) != fault.CodeOf(tc.err) || fault.HintOf(err) != fault.HintOf(tc.err) ||
				(err == nil) != (tc.err == nil) || err != nil && err.Error() != tc.err.Error() {
				t.Errorf("error %v, want %v", err, tc.err)
			}
		})
	}
}

// lifting is an engine whose catch-up runs until it is told to stop, and then takes back its fence.
func lifting(began chan<- struct{}, lifted chan<- error) engine {
	return engine{func(ctx context.Context, _ Request, event func(catchup.Event)) (*catchup.Report, error) {
		close(began)
		<-ctx.Done()
		event(catchup.Event{Step: "lift fence"})
		lifted <- context.Cause(ctx)
		return &catchup.Report{Outcome: catchup.Aborted}, fault.New(fault.Interrupted, errors.New("aborted"), "")
	}}
}

func TestCatchupAbortIsFollowedToItsEnd(t *testing.T) {
	dir, began, lifted := t.TempDir(), make(chan struct{}), make(chan error, 1)
	serve(t, dir, lifting(began, lifted))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	seen := 0
	report, err := Client(dir).Catchup(ctx, Request{}, func(catchup.Event) { seen++ })
	if report == nil || report.Outcome != catchup.Aborted || fault.CodeOf(err) != fault.Interrupted || seen != 1 {
		t.Errorf("report %+v, error %v, %d events", report, err, seen)
	}
	if cause := <-lifted; !errors.Is(cause, errAborted) {
		t.Errorf("the engine was stopped by %v, want %v", cause, errAborted)
	}
}

func TestCatchupEndsWhenItsClientDies(t *testing.T) {
	dir, began, lifted := t.TempDir(), make(chan struct{}), make(chan error, 1)
	serve(t, dir, lifting(began, lifted))
	ctx, die := context.WithCancel(t.Context())
	go func() { <-began; die() }()
	// What a killed process leaves is a closed connection.
	body, err := Client(dir).ask(ctx, http.MethodPost, "/v1/catchup", []byte(`{}`))
	if err == nil {
		defer body.Close()
	}
	if cause := <-lifted; !errors.Is(cause, context.Canceled) {
		t.Errorf("the engine was stopped by %v", cause)
	}
}

func TestServeWaitsForTheCatchupItStops(t *testing.T) {
	dir, began, lifted := t.TempDir(), make(chan struct{}), make(chan error, 1)
	stop := serve(t, dir, lifting(began, lifted))
	followed := make(chan error, 1)
	go func() {
		_, err := Client(dir).Catchup(t.Context(), Request{}, func(catchup.Event) {})
		followed <- err
	}()
	<-began
	if err := stop(); err != nil {
		t.Errorf("serve: %v", err)
	}
	if len(lifted) != 1 {
		t.Error("serve returned before the fence was lifted")
	}
	if err := <-followed; fault.CodeOf(err) != fault.Interrupted {
		t.Errorf("the client was told %v", err)
	}
}

func TestOneCatchupAtATime(t *testing.T) {
	dir, began, lifted := t.TempDir(), make(chan struct{}), make(chan error, 2)
	serve(t, dir, lifting(began, lifted))
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan struct{})
	go func() {
		defer close(first)
		Client(dir).Catchup(ctx, Request{}, func(catchup.Event) {})
	}()
	<-began
	if _, err := Client(dir).Catchup(t.Context(), Request{}, nil); fault.CodeOf(err) != fault.Fenced {
		t.Errorf("second catch-up: %v, want exit code %d", err, fault.Fenced)
	}
	cancel()
	<-first
}

func TestUnknownEnd(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir, engine{func(_ context.Context, _ Request, event func(catchup.Event)) (*catchup.Report, error) {
		event(catchup.Event{Step: "fence"})
		panic(http.ErrAbortHandler) // the connection breaks as if the engine were killed
	}})
	if _, err := Client(dir).Catchup(t.Context(), Request{}, func(catchup.Event) {}); !errors.Is(err, errUnknownEnd) {
		t.Errorf("error %v, want %v", err, errUnknownEnd)
	}
}

// TestNextCatchup comes back as soon as it has heard of the end: the place must be free by then.
func TestNextCatchup(t *testing.T) {
	dir := t.TempDir()
	stop := serve(t, dir, engine{func(context.Context, Request, func(catchup.Event)) (*catchup.Report, error) { return nil, nil }})
	for i := range 200 {
		if _, err := Client(dir).Catchup(t.Context(), Request{}, nil); err != nil {
			t.Fatalf("catch-up %d: %v", i, err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
