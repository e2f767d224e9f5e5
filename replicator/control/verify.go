package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/verify"
)

// verified is a line of a verification's answer: an event, or at the end how it ended.
type verified struct {
	Event  *verify.Event    `json:"event,omitempty"`
	Report *verify.Report   `json:"report,omitempty"`
	Error  *catchup.Failure `json:"error,omitempty"`
	Last   bool             `json:"last,omitempty"`
}

// verify answers with a line for each table. A client that goes away ends it; the next one goes on.
func (s *server) verify(w http.ResponseWriter, r *http.Request) {
	var o verify.Options
	if !understood(w, r, &o) {
		return
	}
	out := newStream(w)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	if err := out.control.Flush(); err != nil { // tells the client that it began
		return
	}
	report, err := s.engine.Verify(ctx, o, func(e verify.Event) {
		if err := out.send(verified{Event: &e}); err != nil {
			cancel(errVerifierGone)
		}
	})
	_ = out.send(verified{Report: report, Error: catchup.NewFailure(err), Last: true})
}

var errVerifierGone = fault.New(fault.Interrupted, errors.New("the client of the verification went away"), "")

var errUnknownVerify = fault.New(fault.Unexpected, errors.New("the engine went away during the verification"),
	"run replicator verify again: it goes on with the tables that are left")

// Verify has the engine compare both sides and tells each table. When ctx ends the engine stops, and
// goes on with the next verification of the same options.
func (c Remote) Verify(ctx context.Context, o verify.Options, event func(verify.Event)) (*verify.Report, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	body, err := c.ask(ctx, http.MethodPost, "/v1/verify", text)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var m verified
		switch err := lines.Decode(&m); {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, errUnknownVerify
		case m.Last:
			return m.Report, m.Error.Err()
		case m.Event != nil:
			event(*m.Event)
		}
	}
}
