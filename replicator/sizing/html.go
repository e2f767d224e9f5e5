package sizing

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"replicator/replicator/sizing/forecast"
	"replicator/replicator/status"
)

//go:embed page.html.tmpl
var pageText string

//go:embed page.css
var pageStyle string

// WriteHTML writes the report as one page that needs nothing else: no script, no picture, no font from
// elsewhere. Its content security policy forbids everything but its own style sheet, so that nothing
// that a table's name could hold is ever run.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("bench").Funcs(template.FuncMap{
		"count": func(n float64) string { return status.Count(int64(n)) },
		"time":  status.Time, "local": local, "seconds": status.Seconds, "millis": millis, "bits": bitRate, "per": perSecond,
		"size":    func(n int64) string { return status.Size(float64(n)) },
		"links":   func(f *Forecast) []forecast.Link { return f.links() },
		"percent": func(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) },
		"ratio":   func(f float64) string { return fmt.Sprintf("%.2f", f) },
		"days":    func(l forecast.Link) string { return status.Seconds(l.Days * float64(24*time.Hour/time.Second)) },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("bench page: %w", err)
	}
	digest := sha256.Sum256([]byte(pageStyle))
	return t.Execute(w, map[string]any{
		"Report": r, "Plots": r.plots(), "Style": template.CSS(pageStyle),
		"StyleHash": "sha256-" + base64.StdEncoding.EncodeToString(digest[:]),
	})
}

// known leaves out what was not measured.
func known(list []bar) []bar {
	return slices.DeleteFunc(list, func(b bar) bool { return b.value <= 0 })
}

// plots are the pictures of what was measured.
func (r *Report) plots() (list []plot) {
	if f := r.Forecast; f != nil {
		s := f.Seed
		var window []bar
		for _, step := range f.Window.Steps() {
			window = append(window, bar{step.Name, step.Seconds})
		}
		list = append(list,
			bars("The pre-seed, in seconds", status.Seconds, []bar{{"prepare", s.Prepare}, {"copy", s.Copy}, {"indexes", s.Index}, {"catch up", s.CatchUp}, {"constraints", s.Constrain}}),
			bars("From the fence to the opening, in seconds", status.Seconds, window))
		st := f.Stages
		list = append(list, bars("What each stage gives alone, bytes of rows a second", perSecond,
			known([]bar{{"source", st.Read}, {"processor", st.Encode}, {"wire", st.Wire}, {"target", st.Write}, {"the whole path", r.Path.Rate}})))
	}
	if s := r.Source; s != nil {
		var lines []series
		for _, k := range s.Kinds {
			lines = append(lines, series{string(k.Kind), k.Read})
		}
		list = append(list, lineplot("Reading the source, by sessions", lines))
		var hours []bar
		for _, h := range s.Hours {
			hours = append(hours, bar{fmt.Sprintf("%02d h", h.Hour), h.Rows})
		}
		list = append(list, bars("Row changes an hour, by hour of the day", func(f float64) string { return status.Count(int64(f)) }, hours))
	}
	if t := r.Target; t != nil {
		list = append(list, lineplot("Writing on the target, by sessions", []series{{"made-up rows", t.Write}}))
	}
	if n := r.Network; n != nil {
		list = append(list, lineplot("The wire, by streams", []series{{"to the target's site", n.Up}, {"from it", n.Down}}))
	}
	return shown(list)
}
