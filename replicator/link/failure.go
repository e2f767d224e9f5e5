package link

import (
	"context"
	"errors"
	"fmt"

	"replicator/checksum/frame"
	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// failure is an error on its way: what it says to people, and what a caller branches on. Errors of
// the target end hold no row values (I12), so neither does it.
type failure struct {
	Text     string     `json:"text"`
	Code     fault.Code `json:"code,omitempty"` // 0: none
	Hint     string     `json:"hint,omitempty"`
	Server   *pg.Error  `json:"server,omitempty"`   // what PostgreSQL said
	Lost     bool       `json:"lost,omitempty"`     // a connection broke: to the target, the one it is told of, or the one of a view
	Damaged  bool       `json:"damaged,omitempty"`  // a frame or message was not what was sent
	Canceled bool       `json:"canceled,omitempty"` // by the caller
	Restart  bool       `json:"restart,omitempty"`
	Recopy   *recopy    `json:"recopy,omitempty"`
}

type recopy struct {
	Table int `json:"table"`
	Chunk int `json:"chunk"`
}

// newFailure is nil for nil.
func newFailure(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{
		Text: err.Error(), Hint: fault.HintOf(err), Lost: pg.Lost(err) || errors.Is(err, errGap) || errors.Is(err, errNoView), Canceled: errors.Is(err, context.Canceled),
		Damaged: errors.Is(err, frame.ErrCorrupt) || errors.Is(err, errDamaged),
	}
	if errors.As(err, new(*fault.Error)) {
		f.Code = fault.CodeOf(err)
	}
	var server *pg.Error
	if errors.As(err, &server) {
		f.Server = server
	} else if state := pg.State(err); state != "" {
		f.Server = &pg.Error{SQLSTATE: state}
	}
	f.Restart = errors.As(err, new(*apply.RestartError))
	var again *apply.RecopyError
	if errors.As(err, &again) {
		f.Recopy = &recopy{again.Table, again.Chunk}
	}
	return f
}

// err is the error as the caller of a target end in the same process would have it: the same text,
// code and hint, and in its chain what the engine looks for.
func (f *failure) err() error {
	if f == nil {
		return nil
	}
	e := &remoteError{text: f.Text}
	if f.Server != nil {
		e.causes = append(e.causes, f.Server)
	} else if f.Lost {
		e.causes = append(e.causes, pg.ErrClosed)
	}
	if f.Damaged {
		e.causes = append(e.causes, frame.ErrCorrupt)
	}
	if f.Canceled {
		e.causes = append(e.causes, context.Canceled)
	}
	if f.Restart {
		e.causes = append(e.causes, &apply.RestartError{Err: errors.New("at the target end")})
	}
	if f.Recopy != nil {
		e.causes = append(e.causes, &apply.RecopyError{Table: f.Recopy.Table, Chunk: f.Recopy.Chunk})
	}
	if f.Code != fault.OK {
		return fault.New(f.Code, e, f.Hint)
	}
	return e
}

// remoteError is an error that came over the link.
type remoteError struct {
	text   string
	causes []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.causes }

// lostError is a connection of the link that broke. It is [pg.Lost], like a lost connection to a
// server: what was on its way is tried again.
type lostError struct{ cause error }

func lost(step string, cause error) error {
	return fault.New(fault.Link, &lostError{fmt.Errorf("%s: %w", step, cause)},
		"look at the network between the two sites, and whether replicator serve runs there; a job under way goes on when the link is back")
}

func (e *lostError) Error() string   { return e.cause.Error() }
func (e *lostError) Unwrap() error   { return e.cause }
func (e *lostError) Timeout() bool   { return false }
func (e *lostError) Temporary() bool { return true }
