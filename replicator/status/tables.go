package status

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// mostTables is how many tables a screen shows. A job with more shows those at work and counts the
// others.
const mostTables = 20

// tables lists the tables, or with many of them those that are at work.
func (p *page) tables(s Status) {
	list, rest := shown(s.Tables)
	if len(list) > 0 {
		p.WriteString("\n")
		p.grid(list)
	}
	if rest.total() > 0 {
		fmt.Fprintf(p, "%s: %s\n", plural(rest.total(), "other table", "other tables"), rest)
	}
}

// others counts the tables that are not listed.
type others struct{ complete, indexing, waiting, busy int }

func (o others) total() int { return o.complete + o.indexing + o.waiting + o.busy }

func (o others) String() string {
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{{o.complete, "complete"}, {o.indexing, "being indexed"}, {o.busy, "being copied"}, {o.waiting, "not begun"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", Count(int64(c.n)), c.what))
		}
	}
	return strings.Join(parts, ", ")
}

// shown picks the tables to list and counts the others.
func shown(all []Table) (list []Table, rest others) {
	if len(all) <= mostTables {
		return all, others{}
	}
	for _, t := range all {
		copied := t.Copied == t.Chunks
		switch busy := !copied && t.Copied > 0; {
		case busy && len(list) < mostTables:
			list = append(list, t)
		case busy:
			rest.busy++
		case !copied:
			rest.waiting++
		case t.Indexed:
			rest.complete++
		default:
			rest.indexing++
		}
	}
	return list, rest
}

func (p *page) grid(list []Table) {
	width := len("table")
	for _, t := range list {
		width = max(width, utf8.RuneCountInString(t.Name))
	}
	width = min(width, 60)
	head := fmt.Sprintf("%-*s  %-5s %11s %15s %9s %9s  %s", width, "table", "cut", "chunks", "rows", "copied", "on disk", "indexed")
	fmt.Fprintln(p, p.bold(head))
	for _, t := range list {
		chunks := fmt.Sprintf("%d/%d", t.Copied, t.Chunks)
		row := fmt.Sprintf("%-*s  %-5s %11s %15s %9s %9s  %s", width, Printable(t.Name), t.Kind, chunks,
			Count(t.Rows), Size(float64(t.Bytes)), Size(float64(t.Size)), mark(t.Indexed))
		fmt.Fprintln(p, strings.TrimRight(row, " "))
	}
}

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return ""
}
