package check

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"replicator/replicator/status"
)

// What a screen takes: the width at which texts wrap, the statements shown of one finding, the
// tables shown of the plan. The JSON form holds all.
const (
	textWidth   = 76
	fewLines    = 12
	fewPlanRows = 25
)

// WriteText writes one table of findings, worst first, and the plan. tty adds colour.
func (r *Report) WriteText(w io.Writer, tty bool) error {
	b := bufio.NewWriter(w)
	for _, s := range []struct {
		name string
		of   *Server
	}{{"source", &r.Source}, {"target", &r.Target}} {
		if s.of.Version == 0 {
			fmt.Fprintf(b, "%s  not looked at\n", s.name)
			continue
		}
		fmt.Fprintf(b, "%s  PostgreSQL %s, database %s, role %s\n", s.name, s.of.Release, s.of.Database, s.of.Role)
	}
	fmt.Fprintf(b, "\n%-8s  %-6s  %s\n", "LEVEL", "SIDE", "FINDING")
	for _, level := range []Level{Must, Note, OK} {
		for i := range r.Findings {
			if r.Findings[i].Level == level {
				r.Findings[i].write(b, tty)
			}
		}
	}
	fmt.Fprintf(b, "\n%d must fix, %d to note, %d ok\n", r.count(Must), r.count(Note), r.count(OK))
	r.writeUnchecked(b)
	r.writeManifest(b)
	if r.Source.Version != 0 || len(r.Plan.Tables) > 0 {
		b.WriteByte('\n')
		r.Plan.write(b)
	}
	return b.Flush()
}

// writeUnchecked says what one side alone cannot tell, and where to ask for it.
func (r *Report) writeUnchecked(b *bufio.Writer) {
	if len(r.Unchecked) == 0 {
		return
	}
	missing := Source
	if r.Source.Version != 0 {
		missing = Target
	}
	text := fmt.Sprintf("Only one side was looked at. Not checked: %s. Run check with --%s where that database can be reached,"+
		" and once with both where both can; else seed stops at what is wrong when it gets to it.",
		strings.Join(r.Unchecked, ", "), missing)
	fmt.Fprintf(b, "\n%s\n", strings.Join(wrap(text), "\n"))
}

// writeManifest names every loss, and of what is only told the kinds.
func (r *Report) writeManifest(b *bufio.Writer) {
	if r.Manifest == nil || len(r.Manifest.Items) == 0 {
		return
	}
	losses, notes := r.Manifest.Losses(), r.Manifest.Notes()
	fmt.Fprintf(b, "\nMANIFEST: %s will not be on the target as on the source, %s to know of\n", count(len(losses), "thing"), count(len(notes), "thing"))
	for _, i := range losses {
		fmt.Fprintf(b, "  %s\n", strings.Join(wrap(i.String()), "\n      "))
	}
	byKind := map[string][]string{}
	for _, i := range notes {
		byKind[i.Kind+": "+i.Why] = append(byKind[i.Kind+": "+i.Why], i.Name)
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		fmt.Fprintf(b, "  (%s)\n", strings.Join(wrap(kind+": "+few(byKind[kind])), "\n      "))
	}
	if len(losses) > 0 {
		fmt.Fprintf(b, "seed begins when that is acknowledged: --acknowledge %s\n", r.Manifest.Digest)
	}
}

// indent is where the text of a finding starts.
const indent = "                  "

// write prints to a bufio.Writer, whose Flush tells the error.
func (f *Finding) write(b *bufio.Writer, tty bool) {
	fmt.Fprintf(b, "%s  %-6s  %s\n", colour(f.Level, tty), f.Side,
		strings.Join(wrap(f.Subject+": "+f.Text), "\n"+indent))
	if f.Level == OK {
		return
	}
	if f.Hint != "" {
		fmt.Fprintf(b, "%s%s\n", indent, strings.Join(wrap("("+f.Hint+")"), "\n"+indent))
	}
	if f.SQL == "" {
		return
	}
	sql := strings.Split(f.SQL, "\n")
	for i, line := range sql {
		if i == fewLines && len(sql) > fewLines+1 {
			fmt.Fprintf(b, "%s  ... and %d more lines, see --json\n", indent, len(sql)-fewLines)
			break
		}
		fmt.Fprintf(b, "%s  %s\n", indent, line)
	}
}

// colour pads the level to its column and paints it on a terminal.
func colour(l Level, tty bool) string {
	text := fmt.Sprintf("%-8s", l)
	code, has := map[Level]string{Must: "31;1", Note: "33", OK: "32"}[l]
	if !tty || !has {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// wrap breaks text at spaces. A word that is too long stays whole: it may be a name to copy.
func wrap(text string) []string {
	var out []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > textWidth:
			out = append(out, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(out, line)
}

func (p *Plan) write(b *bufio.Writer) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "TABLE\tSIZE\tROWS\tKEY\tCUT\tCHUNKS\tINDEXES\n")
	for i := range p.Tables {
		if i == fewPlanRows && len(p.Tables) > fewPlanRows+1 {
			break
		}
		t := &p.Tables[i]
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%d (%s)\n", t.Name, size(t.Bytes), t.rows(), t.key(), t.cut(), t.Chunks, t.Indexes, size(t.IndexBytes))
	}
	_ = tw.Flush() // into b, whose own Flush tells
	if n := len(p.Tables) - fewPlanRows; n > 1 {
		fmt.Fprintf(b, "... and %d smaller tables, see --json\n", n)
	}
	fmt.Fprintf(b, "\n%s, %s in %s; %s, %s; %s, %s\n", count(len(p.Tables), "table"), size(p.Bytes), count(p.Chunks, "chunk"),
		count(p.Indexes, "index"), size(p.IndexBytes), count(p.Late, "late table"), size(p.LateBytes))
	if f := p.Foretold; f != nil {
		fmt.Fprintf(b, "pre-seed: %s, seldom more than %s; fence to opening: %s, seldom more than %s\n  - as replicator bench measured on %s\n",
			status.Seconds(f.Seed.P50), status.Seconds(f.Seed.P95), status.Seconds(f.Open.P50), status.Seconds(f.Open.P95), status.Time(f.Made))
		return
	}
	e := &p.Estimate
	fmt.Fprintf(b, "copy and indexes: %s to %s; late tables at the fence: %s to %s\n", span(e.Low()), span(e.High()), span(e.LateLow), span(e.LateHigh))
	for _, a := range e.Assumptions {
		fmt.Fprintf(b, "  - %s\n", a)
	}
}

func (t *PlanTable) rows() string {
	if t.Rows < 0 {
		return "?"
	}
	return fmt.Sprintf("~%d", t.Rows)
}

func (t *PlanTable) key() string {
	if len(t.Key) == 0 {
		return string(t.Identity)
	}
	return strings.Join(t.Key, ", ")
}

func (t *PlanTable) cut() string {
	cut := string(t.Cut)
	if !t.Sampled {
		cut += "?"
	}
	if t.Late {
		cut += ", late"
	}
	return cut
}
