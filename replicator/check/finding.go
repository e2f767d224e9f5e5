package check

import (
	"fmt"
	"strings"
)

// Level says what a finding asks for.
type Level string

// The levels, from none to a refusal.
const (
	OK   Level = "ok"
	Note Level = "note"     // worth knowing, the move works
	Must Level = "must fix" // the move would fail, or lose something
)

// Side is where a finding lies.
type Side string

// The sides.
const (
	Source Side = "source"
	Target Side = "target"
	Both   Side = "both"
	Here   Side = "here" // the machine that the engine runs on
)

// Finding is the answer to one question.
type Finding struct {
	ID      string   `json:"id"` // stable, for scripts
	Level   Level    `json:"level"`
	Side    Side     `json:"side"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`            // bounded: names a few objects and counts the rest
	Names   []string `json:"names,omitempty"` // all objects
	SQL     string   `json:"sql,omitempty"`   // mends it, on that side
	Hint    string   `json:"hint,omitempty"`
}

// fewNames is how many objects a text names.
const fewNames = 10

// few names the first objects and counts the rest.
func few(names []string) string {
	if len(names) <= fewNames {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:fewNames], ", "), len(names)-fewNames)
}

// count is "1 table" or "12 tables".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, found := strings.CutSuffix(noun, "ex"); found {
		return fmt.Sprintf("%d %sexes", n, stem)
	}
	if stem, found := strings.CutSuffix(noun, "y"); found {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// lines joins statements, one a line, each with its semicolon.
func lines(statements ...string) string {
	var b strings.Builder
	for i, s := range statements {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s)
		if !strings.HasSuffix(s, ";") && !strings.HasPrefix(s, "--") {
			b.WriteByte(';')
		}
	}
	return b.String()
}

// each makes a statement for every name.
func each(names []string, f func(string) string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = f(n)
	}
	return lines(list...)
}
