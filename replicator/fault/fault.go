// Package fault gives every error that reaches the operator a stable exit code and, where there
// is one, a hint that says what to do.
//
// The codes are a public contract (DESIGN.md section 9); scripts and systemd units branch on them.
package fault

import "errors"

// Code is a process exit code.
type Code int

// The exit codes of every command.
const (
	OK           Code = 0
	Unexpected   Code = 1
	Usage        Code = 2   // flags, configuration, DSN
	Preflight    Code = 3   // the database cannot be moved as it is; something must be fixed first
	Source       Code = 4   // source unreachable, or it failed
	Target       Code = 5   // target unreachable, or it failed
	Link         Code = 6   // the link between the two ends, or its TLS
	Mismatch     Code = 7   // the data on both sides differs where it must not
	Store        Code = 8   // local store corrupt or full
	Fenced       Code = 9   // another engine owns the job
	PositionLost Code = 10  // the slot is gone or has moved past us: a new copy is needed
	Interrupted  Code = 130 // told to stop; the same command resumes
)

// Error carries a code and a hint along with its cause.
type Error struct {
	Code Code
	Hint string // one sentence for the operator: what to do; may be empty
	Err  error
}

// New returns an Error. A nil err gives nil.
func New(code Code, err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Code: code, Hint: hint, Err: err}
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the exit code of err: that of the outermost Error in its chain, OK for nil,
// Unexpected where there is none.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Unexpected
}

// HintOf is the hint of the outermost Error in err's chain that has one.
func HintOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
