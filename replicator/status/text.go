package status

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Text shows s to people. tty allows bold and red; nothing else differs.
func Text(w io.Writer, s Status, tty bool) error {
	p := &page{paint: paint(tty)}
	p.head(s)
	if s.Copy.TablesTotal > 0 { // else there is no plan yet
		p.progress(s)
		p.position(s)
	}
	p.largeObjects(s.LargeObjects)
	p.link(s)
	p.trouble(s)
	p.tables(s)
	_, err := io.WriteString(w, p.String())
	return err
}

// page collects lines of a label and what is said about it.
type page struct {
	strings.Builder
	paint
}

const labelWidth = 14

func (p *page) line(label, format string, args ...any) {
	fmt.Fprintf(p, "%-*s %s\n", labelWidth, label, fmt.Sprintf(format, args...))
}

func (p *page) head(s Status) {
	phase := p.bold(string(s.Phase))
	if s.Phase == Failed {
		phase = p.red(string(s.Phase))
	}
	p.line("job", "%s", Printable(s.Job))
	p.line("phase", "%s since %s (%s)", phase, Time(s.Since), Seconds(max(0, s.At.Sub(s.Since).Seconds())))
	switch {
	case s.Running:
		p.line("engine", "running, pid %d", s.PID)
	case s.Phase == Open:
		p.line("engine", "not running; its work is over")
	default:
		p.line("engine", "not running; the same seed command resumes")
	}
	if s.Forecast != nil {
		p.line("forecast", "%s", s.Forecast)
	}
	if s.Waiting != "" {
		p.line("waiting for", "%s", Printable(s.Waiting))
	}
}

func (p *page) progress(s Status) {
	c := s.Copy
	p.line("copy", "%s (%d%%), %d/%d tables, %s/%s chunks", sizes(copied(s), float64(c.BytesTotal)), percent(s),
		c.TablesCopied, c.TablesTotal, Count(int64(c.ChunksCopied)), Count(int64(c.ChunksTotal)))
	moved := fmt.Sprintf("%s rows, %s", Count(c.Rows), Size(float64(c.Bytes)))
	if s.Running && s.Phase == Copying {
		moved += fmt.Sprintf("; now %s/s, %s rows/s, ETA %s", Size(c.ByteRate), Count(int64(c.RowRate)), clock(c.ETA))
		if c.MaxRate > 0 {
			moved += fmt.Sprintf("; capped at %s/s", Size(float64(c.MaxRate)))
		}
	}
	if c.ChunksReused > 0 {
		moved += fmt.Sprintf("; %s chunks stood on the target already", Count(int64(c.ChunksReused)))
	}
	p.line("", "%s", moved)
	steps := fmt.Sprintf("%d/%d built", s.Indexes.Built, s.Indexes.Total)
	if len(s.Indexes.Running) > 0 {
		steps += "; now " + Printable(some(s.Indexes.Running))
	}
	p.line("indexes", "%s", steps)
}

func (p *page) position(s Status) {
	if !s.Source.CurrentLSN.IsZero() { // else nobody asked the source
		p.line("source", "%s", source(s))
	}
	p.line("change log", "%s, received %s, durable %s", Size(float64(s.Log.Bytes)), s.Log.Received, s.Log.Durable)
	p.line("target", "applied %s, %s", s.Apply.Applied, strings.Join(behind(s), ", "))
	p.line("", "%s transactions, %s changes, %s", Count(s.Apply.Transactions), Count(s.Apply.Changes), changeRate(s))
}

func source(s Status) string {
	src := fmt.Sprintf("at %s, retained WAL %s", s.Source.CurrentLSN, Size(float64(s.Source.Retained)))
	if s.Source.SafeSize >= 0 {
		src += fmt.Sprintf(" (the slot is lost after %s more)", Size(float64(s.Source.SafeSize)))
	}
	if s.Source.SlotState != "" {
		src += ", slot " + Printable(s.Source.SlotState)
	}
	if s.Source.SnapshotAge > 0 {
		src += ", oldest snapshot " + Seconds(s.Source.SnapshotAge)
	}
	return src
}

func behind(s Status) []string {
	if l := lag(s); l != nil {
		if s.Apply.ETA > 0 && s.Phase == CatchingUp {
			l = append(l, "ETA "+clock(s.Apply.ETA))
		}
		return l
	}
	return []string{"lag not known"}
}

func (p *page) trouble(s Status) {
	if s.Log.Full {
		p.line("alarm", "%s", p.red("the change log is at its disk budget: nothing is confirmed, the source keeps its WAL"))
	}
	if n := len(s.Apply.Missed); n > 0 {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(s.Apply.Missed)) {
			list = append(list, fmt.Sprintf("%s in %s", Count(s.Apply.Missed[name]), name))
		}
		p.line("missed rows", "%s", p.red(Printable(some(list))))
	}
	if len(s.Late) > 0 {
		p.line("late tables", "%s; copied at the fence: %s", plural(len(s.Late), "table", "tables"), Printable(some(s.Late)))
	}
	if len(s.Changed) > 0 {
		p.line("changed", "%s", p.red(Printable(some(s.Changed))))
	}
	p.strangers(s.Strangers)
	if s.LastError != "" {
		p.line("last error", "%s %s", Time(s.ErrorAt), p.red(Printable(s.LastError)))
	}
	for i, n := range s.Notes {
		if i == mostNotes {
			p.line("", "and %d more; --json has them all", len(s.Notes)-i)
			break
		}
		p.line([]string{"notes", ""}[min(i, 1)], "%s", Printable(n))
	}
}

// strangers are those that write first, for they do harm.
func (p *page) strangers(list []Stranger) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Stranger) int { return cmp.Compare(min(b.Writing, 1), min(a.Writing, 1)) })
	for i := range list {
		label := []string{"strangers", ""}[min(i, 1)]
		if i == mostNotes {
			p.line(label, "and %d more; --json has them all", len(list)-i)
			break
		}
		text := list[i].String()
		if list[i].Writing > 0 {
			text = p.red(text)
		}
		p.line(label, "%s", text)
	}
}

// mostNotes bounds what a screen holds of the notes.
const mostNotes = 10

// some joins the first few of a list and counts the rest.
func some(list []string) string {
	const most = 6
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
}
