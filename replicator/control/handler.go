package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// Engine is a running job. Status may be called at any time from any goroutine; Catchup is called
// once at a time, and must have undone what it did when it returns without having opened the
// target. It calls its function from one goroutine. ctx ends when the client says so or goes away,
// or when the engine is told to stop.
type Engine interface {
	Status() status.Status
	Catchup(ctx context.Context, r Request, event func(catchup.Event)) (*catchup.Report, error)
	// Verify compares both sides; see verify.Run.
	Verify(ctx context.Context, o verify.Options, event func(verify.Event)) (*verify.Report, error)
	// Set changes a setting while the engine runs.
	Set(name, value string) error
}

// Setting is the body of a request to set something.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Request is what a catch-up is asked to do; the fields mean what the flags of `replicator catchup`
// mean. Zero values are the engine's defaults.
type Request struct {
	Fence    string        `json:"fence,omitempty"`
	Verify   string        `json:"verify,omitempty"`
	Rehearse bool          `json:"rehearse,omitempty"`
	Abort    bool          `json:"abort,omitempty"` // only lift the fence of an interrupted attempt
	Timeout  time.Duration `json:"timeout_ns,omitempty"`

	catchup.Gates
	Acknowledge string `json:"acknowledge,omitempty"` // the manifest's digest, or all

	Operator catchup.Operator `json:"operator,omitzero"` // who asks, for the report
}

// message is a line of the catch-up's answer: an event, or at the end how it ended.
type message struct {
	*catchup.Event
	Report    *catchup.Report    `json:"report,omitempty"`
	Documents []catchup.Document `json:"documents,omitempty"` // of the report
	Error     *catchup.Failure   `json:"error,omitempty"`
	Last      bool               `json:"last,omitempty"`
}

// Handler answers for e.
func Handler(e Engine) http.Handler {
	s := &server{engine: e}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("POST /v1/catchup", s.catchup)
	mux.HandleFunc("DELETE /v1/catchup", s.abort)
	mux.HandleFunc("POST /v1/set", s.set)
	mux.HandleFunc("POST /v1/verify", s.verify)
	return mux
}

type server struct {
	engine Engine

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the catch-up that runs; nil: none does
}

// begin takes the one place for a catch-up; end gives it back.
func (s *server) begin(ctx context.Context) (context.Context, context.CancelCauseFunc, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		return ctx, nil, false
	}
	ctx, s.cancel = context.WithCancelCause(ctx)
	return ctx, s.cancel, true
}

func (s *server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel(nil)
	s.cancel = nil
}

// Why a catch-up was told to stop.
var (
	errAborted    = fault.New(fault.Interrupted, errors.New("the catch-up was told to stop"), "")
	errClientGone = fault.New(fault.Interrupted, errors.New("the client of the catch-up went away"), "")
)

// abort tells the running catch-up to stop and returns at once; how it ends is told to whoever
// follows it.
func (s *server) abort(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel(errAborted)
	}
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	newStream(w).send(s.engine.Status())
}

var errBusy = fault.New(fault.Fenced, errors.New("another catch-up of this job is running"),
	"follow it with replicator status --watch")

func (s *server) catchup(w http.ResponseWriter, r *http.Request) {
	var req Request
	if !understood(w, r, &req) {
		return
	}
	out := newStream(w)
	ctx, cancel, ok := s.begin(r.Context())
	if !ok {
		out.send(message{Error: catchup.NewFailure(errBusy), Last: true})
		return
	}
	if err := out.control.Flush(); err != nil { // tells the client that it began
		s.end()
		return
	}
	report, err := s.engine.Catchup(ctx, req, func(e catchup.Event) {
		if err := out.send(message{Event: &e}); err != nil {
			cancel(errClientGone)
		}
	})
	s.end() // before the client hears of it: it may come back at once
	end := message{Report: report, Error: catchup.NewFailure(err), Last: true}
	if report != nil {
		end.Documents = report.Documents
	}
	out.send(end)
}

func (s *server) set(w http.ResponseWriter, r *http.Request) {
	var req Setting
	if understood(w, r, &req) {
		newStream(w).send(message{Error: catchup.NewFailure(s.engine.Set(req.Name, req.Value)), Last: true})
	}
}

// understood reads a request's body; otherwise it has answered.
func understood(w http.ResponseWriter, r *http.Request, v any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestRequest))
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		http.Error(w, "the request is no JSON that this version knows", http.StatusBadRequest)
	}
	return err == nil
}

// stream writes JSON lines and flushes each.
type stream struct {
	encoder *json.Encoder
	control *http.ResponseController
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	return &stream{encoder: json.NewEncoder(w), control: http.NewResponseController(w)}
}

func (s *stream) send(line any) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(clientPatience)); err != nil {
		return err
	}
	if err := s.encoder.Encode(line); err != nil {
		return err
	}
	return s.control.Flush()
}
