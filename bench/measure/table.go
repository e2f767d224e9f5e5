package measure

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Column shows a value of the medians.
type Column struct {
	Title string
	Value string // its name
	// Show formats it; nil: with one digit after the point.
	Show func(float64) string
}

// Show returns a formatter: the value times scale, as format says.
func Show(format string, scale float64) func(float64) string {
	return func(v float64) string { return fmt.Sprintf(format, v*scale) }
}

// WriteText writes the report for people, each group as a table of medians with these columns.
// A subject without a value has a dash there.
func (r *Report) WriteText(w io.Writer, columns []Column) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s: %s\n", r.Benchmark, r.Began.Format("2006-01-02 15:04 MST"), r.Command)
	fmt.Fprintf(&b, "  machine: %s\n", r.Machine)
	for _, name := range sortedKeys(r.Versions) {
		fmt.Fprintf(&b, "  %s: %s\n", name, r.Versions[name])
	}
	writeFacts(&b, r.Facts)
	explained := map[string]bool{}
	for _, g := range r.Groups {
		fmt.Fprintf(&b, "\n%s\n", g.Name)
		writeFacts(&b, g.Facts)
		b.WriteByte('\n')
		if err := g.table(&b, columns); err != nil {
			return err
		}
		explain(&b, g, explained)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeFacts(b *strings.Builder, facts []Fact) {
	for _, f := range facts {
		fmt.Fprintf(b, "  %s: %s\n", f.Name, f.Value)
	}
}

// explain says how each subject does it, the first time that it comes.
func explain(b *strings.Builder, g *Group, explained map[string]bool) {
	before := b.Len()
	for _, s := range g.Subjects {
		line := fmt.Sprintf("  %s: %s\n", s.Name, s.How)
		if explained[line] {
			continue
		}
		explained[line] = true
		if b.Len() == before {
			b.WriteByte('\n')
		}
		b.WriteString(line)
	}
}

// table leaves out the columns for which no subject has a value.
func (g *Group) table(w io.Writer, columns []Column) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	shown := g.columns(columns)
	fmt.Fprintf(t, "\truns\t")
	for _, c := range shown {
		fmt.Fprintf(t, "%s\t", c.Title)
	}
	fmt.Fprintln(t, "of best peer\t")
	for _, s := range g.Subjects {
		fmt.Fprintf(t, "%s\t%d\t", s.Name, len(s.Runs))
		for _, c := range shown {
			fmt.Fprintf(t, "%s\t", c.cell(s.Median))
		}
		fmt.Fprintf(t, "%s\t\n", s.versus())
	}
	return t.Flush()
}

func (g *Group) columns(all []Column) (shown []Column) {
	for _, c := range all {
		for _, s := range g.Subjects {
			if _, ok := s.Median[c.Value]; ok {
				shown = append(shown, c)
				break
			}
		}
	}
	return shown
}

func (c Column) cell(v Values) string {
	x, ok := v[c.Value]
	switch {
	case !ok:
		return "-"
	case c.Show == nil:
		return fmt.Sprintf("%.1f", x)
	default:
		return c.Show(x)
	}
}

func (s *Subject) versus() string {
	switch {
	case s.VersusPeer > 0:
		return fmt.Sprintf("%.2f", s.VersusPeer)
	case s.Role == Ours:
		return "-"
	default:
		return "(" + string(s.Role) + ")"
	}
}
