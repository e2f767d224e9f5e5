package sizing

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"replicator/replicator/fault"
	"replicator/replicator/sizing/forecast"
)

// TestAll measures everything, leaves nothing, and tells no row.
func TestAll(t *testing.T) {
	t.Parallel()
	o := pair(t, ddl, "ANALYZE")
	night, err := forecast.ParseNight("19:00+10h")
	if err != nil {
		t.Fatal(err)
	}
	o.Night = &night
	source, target := objects(t, o.Source), objects(t, o.Target)
	r, err := Run(t.Context(), AllParts, o)
	if err != nil {
		t.Fatal(err)
	}
	unchanged(t, o.Source, source)
	unchanged(t, o.Target, target)

	if r.Source.Tables != 7 || r.Source.Late != 1 || len(r.Source.Kinds) < 3 {
		t.Errorf("source: %d tables, %d late, kinds %+v", r.Source.Tables, r.Source.Late, r.Source.Kinds)
	}
	for _, k := range r.Source.Kinds {
		if len(k.Read) != 2 || k.Read[0].Rate <= 0 || k.Read[1].Rate <= 0 {
			t.Errorf("%s tables were not read: %+v", k.Kind, k.Read)
		}
	}
	if n := len(r.Source.Overall); n != 3 || r.Source.Overall[2].Ratio < 1.2 {
		t.Errorf("rows do not pack: %+v", r.Source.Overall)
	}
	if tg := r.Target; tg.Insert <= 0 || tg.Update <= 0 || tg.Delete <= 0 || tg.Index <= 0 || tg.Commit.P50 <= 0 || len(tg.Write) != 2 {
		t.Errorf("target: %+v", tg)
	}
	work := &r.Path.Work
	// The large tables were moved whole: what is reckoned of them is what they are.
	whole := rowBytes(t, o.Source, "reading")
	for _, ft := range work.Tables {
		if ft.Name == "public.reading" {
			if ft.Bytes < 0.9*whole || ft.Bytes > 1.1*whole {
				t.Errorf("reading has %.0f bytes, reckoned were %.0f", whole, ft.Bytes)
			}
			if n := len(ft.Steps); n != 3 {
				t.Errorf("reading has %d indexes early, want 3", n)
			}
		}
	}
	if n := len(work.Tables); n != 7 || len(work.Foreign) != 2 || work.Tables[n-1].Name != "large objects" || work.Tables[n-1].Bytes <= 0 {
		t.Errorf("%d tables and %d foreign keys, want 6, large objects, and 2", len(work.Tables), len(work.Foreign))
	}
	if facts := r.Path.facts; facts.views <= 0 || facts.views > 1 || facts.groups != 1 || r.Path.EachTable <= 0 {
		t.Errorf("the window: views %v s, %d groups, %v s a table", facts.views, facts.groups, r.Path.EachTable)
	}
	if r.Path.Indexes == 0 || r.Path.Skipped == 0 { // half(int) is the source's alone
		t.Errorf("%d indexes built, %d skipped", r.Path.Indexes, r.Path.Skipped)
	}
	f := r.Forecast
	if f == nil || f.Seed.Total <= 0 || f.SeedRange.P95 <= f.SeedRange.P50 || f.Window.Late <= 0 || f.Window.Verify <= 0 || f.Deadlines == nil {
		t.Fatalf("forecast: %+v", f)
	}
	if len(r.Advice) < 4 {
		t.Errorf("advice: %q", r.Advice)
	}
	told(t, r)
}

// rowBytes is what COPY gives of a table.
func rowBytes(t *testing.T, dsn, table string) float64 {
	t.Helper()
	c := connect(t, dsn)
	defer c.Close()
	w := &countWriter{}
	if _, err := c.CopyTo(t.Context(), w, "COPY "+table+" TO STDOUT (FORMAT binary)"); err != nil {
		t.Fatal(err)
	}
	return float64(w.n)
}

// told checks every form of a report.
func told(t *testing.T, r *Report) {
	t.Helper()
	var text, page, js bytes.Buffer
	if err := errors.Join(r.WriteText(&text), r.WriteHTML(&page), r.WriteJSON(&js)); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*bytes.Buffer{"text": &text, "page": &page, "JSON": &js} {
		if strings.Contains(b.String(), canary) {
			t.Errorf("the %s holds a row's value", name)
		}
		if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
			t.Errorf("the %s holds a number that is none", name)
		}
	}
	for _, bad := range []string{"<script", "http://", "https://", "src=", "@import"} {
		if strings.Contains(strings.ReplaceAll(page.String(), `xmlns="http://www.w3.org/2000/svg"`, ""), bad) {
			t.Errorf("the page is not self-contained: %s", bad)
		}
	}
	svg := page.String()
	for n := 0; ; n++ {
		from := strings.Index(svg, "<svg")
		if from < 0 {
			if n == 0 {
				t.Error("the page has no plot")
			}
			break
		}
		end := strings.Index(svg, "</svg>") + len("</svg>")
		d := xml.NewDecoder(strings.NewReader(svg[from:end]))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("plot %d: %v", n, err)
			}
		}
		svg = svg[end:]
	}
	var back Report
	if err := json.Unmarshal(js.Bytes(), &back); err != nil || back.Version != ReportVersion {
		t.Errorf("JSON: %v", err)
	}
}

// TestKilledIsCleanedUp: what a killed run leaves is there, is ours, and goes.
func TestKilledIsCleanedUp(t *testing.T) {
	t.Parallel()
	o := pair(t, ddl, "ANALYZE")
	source, target := objects(t, o.Source), objects(t, o.Target)
	for i, at := range []string{"the target: changes", "the path: indexes"} {
		text, err := json.Marshal(struct {
			Options
			KillAt string
		}{o, at})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+string(text))
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the child was not killed at %q: %v\n%s", at, err, out)
		}
		if len(objects(t, o.Target)) <= len(target) {
			t.Fatalf("nothing was left by a run that was killed at %q", at)
		}
		if i == 0 {
			if err := Cleanup(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		} else if _, err := Run(t.Context(), TargetPart, o); err != nil { // the next run clears up as well
			t.Fatal(err)
		}
		unchanged(t, o.Source, source)
		unchanged(t, o.Target, target)
	}
	if err := Cleanup(t.Context(), o); err != nil { // where there is nothing
		t.Fatal(err)
	}
	unchanged(t, o.Target, target)
}

// TestStopped: a signal ends a measurement with 130, and nothing stays.
func TestStopped(t *testing.T) {
	t.Parallel()
	o := pair(t, ddl, "ANALYZE")
	target := objects(t, o.Target)
	ctx, cancel := context.WithCancel(t.Context())
	o.Tell = func(what string) {
		if what == "the path: indexes" {
			cancel()
		}
	}
	_, err := Run(ctx, PathPart, o)
	if fault.CodeOf(err) != fault.Interrupted {
		t.Errorf("ended with %d: %v", fault.CodeOf(err), err)
	}
	unchanged(t, o.Target, target)
}
