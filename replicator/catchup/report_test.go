package catchup

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/status"
)

var updateReports = flag.Bool("update-reports", false, "write the golden reports")

var nineteen = time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)

// rehearsedOf is the rehearsal of a catch-up: it fenced nobody and compared nothing.
func rehearsedOf(r *Report) *Report {
	r.RehearsedLSN, r.FenceLSN, r.ConsistentLSN, r.Tables, r.MissedRows = r.FenceLSN, 0, 0, nil, nil
	r.Steps[1] = Step{Name: r.Steps[1].Name, Started: r.Steps[1].Started, Skipped: true, Detail: "left out of a rehearsal"}
	r.Steps[3].Detail = "3 tables would be compared"
	r.Predictions = []Prediction{
		{"gates", 0.4, "as in this rehearsal"}, {"fence the source", -1, "no catch-up has done it before"},
		{"drain", 30, "as in this rehearsal"}, {"verify", 149.6, "5.0 GB at 34.2 MB/s, as the verification of 2026-11-22 02:14:07 UTC"},
	}
	return r
}

// gatesOf is what some gates look like.
func gatesOf(closed bool) []Gate {
	list := []Gate{
		{Name: "lag", Found: "12.0 kB of WAL, 0.1 s", Allowed: "at most 1.0 GB", Measured: 12288, Limit: 1 << 30, Unit: "bytes"},
		{Name: "late tables", Found: "1 with 8.0 kB, about 0.1 s to copy", Allowed: "any", Names: []string{"ed.cache"}, Measured: 8192, Limit: -1, Unit: "bytes"},
		{Name: "disk of the target", Found: "not known: our rights or place do not let us see it", Allowed: "at least 1.0 GB", Measured: -1, Limit: 1 << 30, Unit: "bytes"},
	}
	if closed {
		list[0].Closed, list[0].Hint = true, "wait until replicator status shows a smaller lag"
	}
	return list
}

// closedGate is a catch-up that went no further than the gates.
func closedGate() *Report {
	err := fault.New(fault.Preflight, errors.New("gates: lag: 12.0 kB of WAL, 0.1 s"), "wait until replicator status shows a smaller lag")
	r := reported(Failed, err)
	r.Gates, r.Tables, r.MissedRows, r.FenceLSN, r.ConsistentLSN, r.Sequences = gatesOf(true), nil, nil, 0, 0, 0
	r.Steps = []Step{{Name: "gates", Started: nineteen, Seconds: 0.4, Failed: true, Detail: "lag: 12.0 kB of WAL, 0.1 s"}}
	return r
}

// reported is a catch-up with something of everything.
func reported(outcome Outcome, err error) *Report {
	at := func(seconds float64) time.Time { return nineteen.Add(time.Duration(seconds * float64(time.Second))) }
	odd := TableResult{Name: "record.\"<b>odd</b>\"", Rows: 77, Bytes: 1 << 20, SourceFingerprint: "fd61a03a", TargetFingerprint: "a4e624d6"}
	if outcome != Failed {
		odd.TargetFingerprint, odd.Equal = odd.SourceFingerprint, true
	}
	return &Report{
		Version: ReportVersion, Tool: "v1.0.0", Job: "emr", Started: nineteen, Finished: at(192.4),
		Operator:  Operator{User: "postgres", Sudo: "anna", Host: "emr-1"},
		Rehearsal: outcome == Rehearsed, Outcome: outcome, Failure: NewFailure(err),
		Source:   Database{Name: "emr", ServerVersion: "14.23", SystemID: "7311223344556677889"},
		Target:   Database{Name: "emr", ServerVersion: "18.4", SystemID: "7399887766554433221"},
		FenceLSN: 0x16B374D848, ConsistentLSN: 0x16B374DA00, Gates: gatesOf(false),
		Steps: []Step{
			{Name: "gates", Started: at(0), Seconds: 0.4, Detail: "lag 12 KiB, 0.1 s"},
			{Name: "fence the source", Started: at(0.4), Seconds: 2, Detail: "14 sessions ended"},
			{Name: "drain", Started: at(2.4), Seconds: 30, Detail: "applied up to 16/B374D848"},
			{Name: "verify", Started: at(32.4), Seconds: 160, Detail: "3 tables", Failed: outcome == Failed},
			{Name: "open the target", Started: at(192.4), Skipped: outcome != Opened},
		},
		Tables: []TableResult{
			{Name: "ed.visit", Rows: 1234567, Bytes: 5 << 30, SourceFingerprint: "9f86d081", TargetFingerprint: "9f86d081", Equal: true},
			{Name: "ed.cache", Rows: 3, Bytes: 8192, SourceFingerprint: "60303ae2", TargetFingerprint: "60303ae2", Equal: true, Late: true},
			odd,
			{Name: "outpatient.slot"},
		},
		Sequences: 42, MissedRows: map[string]int64{"ed.visit": 1}, Predicted: 180,
		Configuration: Configuration{Fence: "database", Verify: "full", Timeout: 1800, Jobs: 4, IndexJobs: 2, NoKey: "late",
			Confirm: "synced", Slot: "replicator_emr", Publication: "replicator_emr", Selection: []string{"--schema=ed"},
			MaxLag: DefaultMaxLag, VerifiedWithin: 86400, MaxTransactionAge: 300, MaxRetained: 16 << 30, ChunkBytes: 64 << 20, RetainBudget: 16 << 30, TargetHost: "new.example:7432", Sealed: true},
		Strangers: []status.Stranger{
			{Application: "emr", Role: "ward", Kind: "client backend", First: at(-3600), Last: at(0.1), Sessions: 3, Since: at(-7200), Unguarded: 1, Looks: 720},
			{Role: "dba", Kind: "prepared transaction", First: at(-900), Last: at(-600), Looks: 60, Writing: 60, Wrote: at(-600)},
		},
		PublicKey: "RWTwfumTSVtzcqUBL2Yq4VkWZ8v7m5Yz5Q0w0CkqkV3l6C8yXbM1yF5h",
	}
}

var errDiffer = fault.New(fault.Mismatch, errors.New("verify: 1 table differs"), "the fence is lifted; run replicator status")

func TestReportRenderings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		report *Report
	}{
		{"report-open", reported(Opened, nil)},
		{"report-failed", reported(Failed, errDiffer)},
		{"report-rehearsed", rehearsedOf(reported(Rehearsed, nil))},
		{"report-gate", closedGate()},
	} {
		for ext, write := range map[string]func(io.Writer) error{
			"txt": tc.report.WriteText, "json": tc.report.WriteJSON, "html": tc.report.WriteHTML,
		} {
			t.Run(tc.name+"."+ext, func(t *testing.T) {
				var b bytes.Buffer
				if err := write(&b); err != nil {
					t.Fatal(err)
				}
				goldenReport(t, tc.name+"."+ext, b.Bytes())
			})
		}
	}
}

func goldenReport(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *updateReports {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestReportJSONReadsBack(t *testing.T) {
	want := reported(Failed, errDiffer)
	var b bytes.Buffer
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("got  %+v\nwant %+v", got, *want)
	}
}

// TestHTMLNeedsNothing says that the page loads nothing, runs nothing, and is well formed.
func TestHTMLNeedsNothing(t *testing.T) {
	r := reported(Opened, nil)
	r.Job = `"><script>alert(1)</script>`
	r.Steps[0].Detail = `</svg><img src=x onerror=alert(1)>`
	var b strings.Builder
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script", "<img", "<b>", "href", "src=\"", "url(", "@import", " style=", "onerror=\""} {
		if strings.Contains(page, bad) {
			t.Errorf("%q in the page", bad)
		}
	}
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	digest := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "';"
	if !strings.Contains(html.UnescapeString(page), want) {
		t.Errorf("no content security policy with %s in the page", want)
	}
	svg := page[strings.Index(page, "<svg") : strings.Index(page, "</svg>")+len("</svg>")]
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("the timeline is no XML: %v", err)
		}
	}
}

// TestReportHasNoRoomForValues holds the report's shape to fields that are named one by one.
func TestReportHasNoRoomForValues(t *testing.T) {
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, path string) {
		switch typ.Kind() {
		case reflect.Struct:
			if typ == reflect.TypeFor[time.Time]() {
				return
			}
			for i := range typ.NumField() {
				f := typ.Field(i)
				for _, word := range []string{"dsn", "password", "value", "connection"} {
					if strings.Contains(strings.ToLower(f.Name), word) {
						t.Errorf("%s.%s is a field for a %s", path, f.Name, word)
					}
				}
				walk(f.Type, path+"."+f.Name)
			}
		case reflect.Pointer, reflect.Slice:
			walk(typ.Elem(), path)
		case reflect.Map:
			if k := typ.Elem().Kind(); k != reflect.Int64 {
				t.Errorf("%s is a map of %s: anything could be in it", path, k)
			}
		case reflect.Interface:
			t.Errorf("%s is an interface: anything could be in it", path)
		}
	}
	walk(reflect.TypeFor[Report](), "Report")
}

func TestTimelineStaysInside(t *testing.T) {
	r := reported(Opened, nil)
	r.Finished = time.Time{} // not finished: the last step's end is the end
	r.Steps = append(r.Steps, Step{Name: "before its time", Started: nineteen.Add(-time.Hour), Seconds: 1},
		Step{Name: "longer than all", Started: nineteen, Seconds: 1000})
	for _, b := range newTimeline(r).Bars {
		var x, width float64
		fmt.Sscan(b.X, &x)
		fmt.Sscan(b.Width, &width)
		if x < labelWidth || width < 1 || x+width > labelWidth+barsWidth+1 {
			t.Errorf("%s: bar from %v, %v wide", b.Label, x, width)
		}
	}
	newTimeline(&Report{}) // of nothing
}

func TestEventLines(t *testing.T) {
	for _, tc := range []struct {
		event Event
		want  string
	}{
		{Event{At: nineteen, Step: "drain", State: StepBegins}, "19:00:00  drain ..."},
		{Event{At: nineteen, Step: "drain", State: StepEnds, Seconds: 1.25, Text: "applied"}, "19:00:00  drain: 1.2 s, applied"},
		{Event{At: nineteen, Step: "drain", State: StepEnds, Seconds: 1}, "19:00:00  drain: 1.0 s"},
		{Event{At: nineteen, Step: "drain", State: StepNote, Text: "3 MB left"}, "19:00:00  drain: 3 MB left"},
	} {
		if got := tc.event.String(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
