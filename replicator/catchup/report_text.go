package catchup

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"replicator/replicator/status"
)

// WriteText writes what a terminal needs of the report: how it ended, how long each step took, and
// every table that is not as it should be. The whole is in the JSON and HTML reports.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, r.verdict())
	if r.Failure != nil {
		fmt.Fprintf(&b, "  %s\n", status.Printable(r.Failure.Message))
		if r.Failure.Hint != "" {
			fmt.Fprintf(&b, "  %s\n", status.Printable(r.Failure.Hint))
		}
	}
	b.WriteString("\n")
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "  %-28s %10s  %s\n", status.Printable(s.Name), s.took(), status.Printable(s.Detail))
	}
	fmt.Fprintf(&b, "  %-28s %10s\n\n", "in all", status.Seconds(r.Seconds()))
	for _, f := range r.facts() {
		fmt.Fprintf(&b, "  %-28s %s\n", f.Name, status.Printable(f.Value))
	}
	for _, t := range r.Different() {
		fmt.Fprintf(&b, "  DIFFERENT: %s\n", status.Printable(t.Name))
	}
	_, err := io.WriteString(w, trimLines(b.String()))
	return err
}

// verdict is the report in a sentence.
func (r *Report) verdict() string {
	switch r.Outcome {
	case Opened:
		return "The target has taken over."
	case Rehearsed:
		return fmt.Sprintf("Rehearsed, nothing was changed. The catch-up is expected to take %s.", status.Seconds(r.Predicted))
	case Aborted:
		return "Aborted."
	case Failed:
		return "Failed." // what state that leaves, only the error knows
	}
	return "Not finished."
}

func (s Step) took() string {
	if s.Skipped {
		return "skipped"
	}
	return status.Seconds(s.Seconds)
}

// fact is a line of name and value.
type fact struct{ Name, Value string }

// facts are the report's figures in the order in which they are read.
func (r *Report) facts() []fact {
	list := []fact{
		{"job", r.Job},
		{"operator", r.Operator.String()},
		{"replicator", r.Tool},
		{"source", r.Source.String()},
		{"target", r.Target.String()},
		{"fence LSN", r.FenceLSN.String()},
		{"consistent LSN", r.ConsistentLSN.String()},
		{"tables", r.counted()},
		{"sequences set", status.Count(int64(r.Sequences))},
	}
	for _, name := range slices.Sorted(maps.Keys(r.MissedRows)) {
		list = append(list, fact{"missed rows in " + name, status.Count(r.MissedRows[name])})
	}
	for i := range r.Strangers {
		list = append(list, fact{"somebody else on the target", r.Strangers[i].String()})
	}
	return append(list, fact{"public key", cmp.Or(r.PublicKey, "none: the report is not signed")})
}

// String is one side in a line.
func (d Database) String() string {
	if d.Name == "" {
		return "not reached"
	}
	return fmt.Sprintf("%s, PostgreSQL %s, system %s", d.Name, d.ServerVersion, d.SystemID)
}

// counted says how many tables were compared and how that went.
func (r *Report) counted() string {
	var rows, bytes int64
	compared, late := 0, 0
	for _, t := range r.Tables {
		rows, bytes = rows+t.Rows, bytes+t.Bytes
		if t.Compared() {
			compared++
		}
		if t.Late {
			late++
		}
	}
	return fmt.Sprintf("%s with %s rows (%s), %s copied at the fence, %s compared, %s different",
		status.Count(int64(len(r.Tables))), status.Count(rows), status.Size(float64(bytes)), status.Count(int64(late)),
		status.Count(int64(compared)), status.Count(int64(len(r.Different()))))
}

func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}
