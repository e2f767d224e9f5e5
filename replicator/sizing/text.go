package sizing

import (
	"fmt"
	"io"
	"strings"

	"replicator/replicator/status"
)

// WriteText shows the report to people: the advice last, where the eye is.
func (r *Report) WriteText(w io.Writer) error {
	p := &page{}
	p.source(r.Source)
	p.network(r.Network)
	p.target(r.Target)
	p.path(r.Path)
	p.forecast(r.Forecast)
	for _, n := range r.Notes {
		p.line("note", "%s", status.Printable(n))
	}
	if len(r.Advice) > 0 {
		p.WriteString("\n")
	}
	for _, a := range r.Advice {
		p.WriteString("* " + status.Printable(a) + "\n")
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// page collects lines of a label and what is said about it.
type page struct{ strings.Builder }

func (p *page) line(label, format string, args ...any) {
	fmt.Fprintf(p, "%-16s %s\n", label, fmt.Sprintf(format, args...))
}

func perSecond(n float64) string { return status.Size(n) + "/s" }

// points are rates by connections: 1: 80 MB/s, 2: 150 MB/s.
func points(list []Point) string {
	var parts []string
	for _, p := range list {
		parts = append(parts, fmt.Sprintf("%d: %s", p.Connections, perSecond(p.Rate)))
	}
	return strings.Join(parts, ", ")
}

func (p *page) source(s *Source) {
	if s == nil {
		return
	}
	p.line("source", "%s, PostgreSQL %s, %d tables, %s", status.Printable(s.Database), s.Release, s.Tables, status.Size(float64(s.Bytes)))
	for _, k := range s.Kinds {
		p.line("  read", "%s tables (%d, %s): %s", k.Kind, k.Tables, status.Size(float64(k.Bytes)), points(k.Read))
	}
	for _, l := range s.Overall {
		p.line("  pack", "%s: %.2f to 1, %s on one processor", l.Level, l.Ratio, perSecond(l.Rate))
	}
	p.line("  changes", "%s rows an hour, %s WAL an hour, over %s", status.Count(int64(s.Changes.Rows)), status.Size(s.Changes.WAL), status.Seconds(s.Changes.Seconds))
	for _, h := range s.Hours {
		p.line("", "%02d h: %s rows an hour, %s WAL", h.Hour, status.Count(int64(h.Rows)), status.Size(h.WAL))
	}
	e := s.Effect
	p.line("  effect", "a small query took %s before, %s while it was read, %s after (P95)", millis(e.Before.P95), millis(e.During.P95), millis(e.After.P95))
}

func (p *page) network(n *Network) {
	if n == nil {
		return
	}
	loss := "loss not known"
	if n.LossKnown {
		loss = fmt.Sprintf("%.2f %% sent again while it was half full, %.2f %% full", 100*n.Resent, 100*n.ResentFull)
	}
	p.line("network", "%s, round trip %s (P95 %s), %s", n.Address, millis(n.RoundTrip.P50), millis(n.RoundTrip.P95), loss)
	p.line("  up", "%s", points(n.Up))
	p.line("  down", "%s", points(n.Down))
	for _, r := range n.Rows {
		p.line("  own rows", "%s, %d streams: %s of rows, %s on the wire, %.1f processors", r.Level, r.Streams, perSecond(r.Rows), perSecond(r.Wire), r.CPU)
	}
}

func (p *page) target(t *Target) {
	if t == nil {
		return
	}
	p.line("target", "PostgreSQL %s, commit %s (P95 %s)", t.Release, millis(t.Commit.P50), millis(t.Commit.P95))
	p.line("  write", "%s", points(t.Write))
	p.line("  index", "%s rows/s", status.Count(int64(t.Index)))
	p.line("  changes", "%s inserts/s, %s updates/s, %s deletes/s", status.Count(int64(t.Insert)), status.Count(int64(t.Update)), status.Count(int64(t.Delete)))
}

func (p *page) path(t *Path) {
	if t == nil {
		return
	}
	for i, k := range t.Kinds {
		p.line([]string{"path", ""}[min(i, 1)], "%s tables: %s (%s in %d chunks)", k.Kind, perSecond(k.Rate), status.Size(k.Bytes), k.Chunks)
	}
	p.line("  all rows", "%s; limited by %s", perSecond(t.Rate), t.Stage)
	p.line("  indexes", "%d built; beside them the copy runs at %.0f %%, %d at once are %.1f times as fast", t.Indexes, 100*t.Work.Path.CopyBeside, t.Work.Path.IndexJobs, t.Work.Path.Speedup)
	p.line("  compare", "%s", perSecond(t.Compare))
}

func (p *page) forecast(f *Forecast) {
	if f == nil {
		return
	}
	s := f.Seed
	p.line("pre-seed", "%s: prepare %s, copy %s, indexes %s more, catch up %s, constraints %s", status.Seconds(s.Total),
		status.Seconds(s.Prepare), status.Seconds(s.Copy), status.Seconds(s.Index), status.Seconds(s.CatchUp), status.Seconds(s.Constrain))
	w := &f.Window
	var steps []string
	for _, step := range w.Steps() {
		steps = append(steps, step.Name+" "+status.Seconds(step.Seconds))
	}
	p.line("fence to open", "%s: %s", status.Seconds(w.Total), strings.Join(steps, "; "))
}
