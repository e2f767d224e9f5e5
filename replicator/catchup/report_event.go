package catchup

import (
	"fmt"
	"time"
)

// State says what an [Event] tells of its step.
type State string

// The states. A beginning and an end come in pairs, notes between them or alone.
const (
	StepBegins State = "begin"
	StepEnds   State = "end"
	StepNote   State = "note"
)

// Event tells whoever watches a catch-up what it does now. Like the report it holds no values.
type Event struct {
	At      time.Time `json:"at"`
	Step    string    `json:"step"`
	State   State     `json:"state"`
	Seconds float64   `json:"seconds,omitempty"` // of the step, at its end
	Text    string    `json:"text,omitempty"`
	Failed  bool      `json:"failed,omitempty"` // the step, at its end
}

// String is the event as one line of a transcript.
func (e Event) String() string {
	line := e.At.UTC().Format("15:04:05") + "  " + e.Step
	switch e.State {
	case StepBegins:
		line += " ..."
	case StepEnds:
		line += fmt.Sprintf(": %.1f s", e.Seconds)
		if e.Failed {
			line += ", FAILED"
		}
	}
	if e.Text == "" {
		return line
	}
	if e.State == StepEnds {
		return line + ", " + e.Text
	}
	return line + ": " + e.Text
}
