package catchup

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"replicator/replicator/status"
	"replicator/wal"
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
	row := func(name, state, text string) {
		fmt.Fprintf(&b, "  %-28s %10s  %s\n", status.Printable(name), state, status.Printable(text))
	}
	for _, g := range r.Gates {
		row("gate: "+g.Name, g.State(), g.Found+" (allowed: "+g.Allowed+")")
		if g.Hint != "" {
			row("", "", g.Hint)
		}
	}
	if len(r.Gates) > 0 {
		b.WriteString("\n")
	}
	for _, s := range r.Steps {
		row(s.Name, s.took(), s.told())
	}
	row("in all", status.Seconds(r.Seconds()), "")
	b.WriteString("\n")
	for _, p := range r.Predictions {
		row("expected: "+p.Step, p.took(), p.Basis)
	}
	if len(r.Predictions) > 0 {
		b.WriteString("\n")
	}
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

// told is the step's detail, for people.
func (s Step) told() string {
	if s.Failed {
		return "FAILED: " + s.Detail
	}
	return s.Detail
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
	}
	set := "sequences set"
	if r.Rehearsal {
		set = "sequences to set"
	}
	for _, p := range []struct {
		name string
		lsn  wal.LSN
	}{{"fence LSN", r.FenceLSN}, {"consistent LSN", r.ConsistentLSN}, {"rehearsed up to", r.RehearsedLSN}} {
		if !p.lsn.IsZero() {
			list = append(list, fact{p.name, p.lsn.String()})
		}
	}
	list = append(list, fact{"tables", r.counted()}, fact{set, status.Count(int64(r.Sequences))})
	for _, name := range slices.Sorted(maps.Keys(r.MissedRows)) {
		list = append(list, fact{"missed rows in " + name, status.Count(r.MissedRows[name])})
	}
	if r.Manifest != nil {
		for _, i := range r.Manifest.Losses() {
			list = append(list, fact{"not as on the source", i.String()})
		}
		list = append(list, fact{"manifest", fmt.Sprintf("%d losses, digest %s; %d to know of", len(r.Manifest.Losses()), cmp.Or(r.Manifest.Digest, "none"), len(r.Manifest.Notes()))})
	}
	for i := range r.Strangers {
		list = append(list, fact{"somebody else on the target", r.Strangers[i].String()})
	}
	list = append(list, r.foretold()...)
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
	if len(r.Tables) == 0 {
		return "none was compared"
	}
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
