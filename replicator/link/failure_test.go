package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"replicator/checksum/frame"
	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// TestErrorsSurviveTheLink holds what a caller asks of an error against the same error after its way.
func TestErrorsSurviveTheLink(t *testing.T) {
	server := &pg.Error{SQLSTATE: "23505", Severity: "ERROR", Schema: "ed", Table: "visit", Constraint: "visit_pkey"}
	for name, err := range map[string]error{
		"none":        nil,
		"plain":       errors.New("the target has no row"),
		"server's":    fmt.Errorf("commit chunk 3: %w", server),
		"mismatch":    fault.New(fault.Mismatch, fmt.Errorf("apply: %w", server), "keep both sides"),
		"transient":   fault.New(fault.Target, fmt.Errorf("step: %w", &pg.Error{SQLSTATE: "40P01"}), ""),
		"lost":        fmt.Errorf("write: %w", io.ErrUnexpectedEOF),
		"shutdown":    fmt.Errorf("write: %w", &pg.Error{SQLSTATE: "57P01"}),
		"fenced":      fault.New(fault.Fenced, errors.New("another engine"), "stop one"),
		"corrupt":     fault.New(fault.Store, fmt.Errorf("open frame: %w", frame.ErrCorrupt), ""),
		"canceled":    fmt.Errorf("copy: %w", context.Canceled),
		"restart":     &apply.RestartError{Err: io.EOF},
		"copy again":  fmt.Errorf("apply: %w", &apply.RecopyError{Table: 4, Chunk: 17}),
		"hint within": fmt.Errorf("outer: %w", fault.New(fault.Preflight, server, "grant it")),
	} {
		t.Run(name, func(t *testing.T) {
			raw, merr := json.Marshal(newFailure(err))
			if merr != nil {
				t.Fatal(merr)
			}
			var f *failure
			if err := json.Unmarshal(raw, &f); err != nil {
				t.Fatal(err)
			}
			got := f.err()
			type seen struct {
				text, state, hint                                      string
				code                                                   fault.Code
				lost, transient, corrupt, canceled, restart, recopying bool
				again                                                  apply.RecopyError
			}
			look := func(err error) (s seen) {
				if err == nil {
					return s
				}
				s = seen{text: err.Error(), state: pg.State(err), hint: fault.HintOf(err), code: fault.CodeOf(err), lost: pg.Lost(err),
					transient: pg.Transient(err), corrupt: errors.Is(err, frame.ErrCorrupt), canceled: errors.Is(err, context.Canceled),
					restart: errors.As(err, new(*apply.RestartError))}
				var again *apply.RecopyError
				if s.recopying = errors.As(err, &again); s.recopying {
					s.again = *again
				}
				return s
			}
			if look(got) != look(err) {
				t.Errorf("after its way\n%+v\nbefore\n%+v", look(got), look(err))
			}
		})
	}
}

// TestALostViewIsLost: whoever asks for a view again has another.
func TestALostViewIsLost(t *testing.T) {
	err := newFailure(fmt.Errorf("compare: %w", errNoView)).err()
	if !pg.Lost(err) || fault.CodeOf(err) != fault.Link || fault.HintOf(err) == "" {
		t.Errorf("lost %v, code %d", pg.Lost(err), fault.CodeOf(err))
	}
}

func TestALostLinkIsLost(t *testing.T) {
	err := lost("follow", io.EOF)
	if !pg.Lost(err) || fault.CodeOf(err) != fault.Link {
		t.Errorf("lost %v, code %d", pg.Lost(err), fault.CodeOf(err))
	}
}
