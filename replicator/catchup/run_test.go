package catchup

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/wal"
)

// fake is a job in which steps go as they are told: what is run here is the order alone.
type fake struct {
	fails map[string]error // by method
	calls []string
	found Findings

	asked  atomic.Int32 // for the manifest
	lostAt int32        // the time at which something is lost; 0: never

	noted chan struct{} // Compare waits for it; nil: it does not
}

func (f *fake) do(name string) error {
	f.calls = append(f.calls, name)
	return f.fails[name]
}

func (f *fake) Look(context.Context, []chunker.Table) (Findings, error) { return f.found, f.do("Look") }
func (f *fake) Reach(context.Context, string) (wal.LSN, int64, error) {
	return 0x1234, 0, f.do("Reach")
}
func (f *fake) Facts(context.Context) (src, tgt Database, err error)    { return src, tgt, f.do("Facts") }
func (f *fake) Fence(context.Context, source.FenceMode) (string, error) { return "", f.do("Fence") }
func (f *fake) Lift(context.Context) error                              { return f.do("Lift") }
func (f *fake) Audit(context.Context) ([]string, error)                 { return nil, f.do("Audit") }
func (f *fake) Writers(context.Context) ([]string, error)               { return nil, f.do("Writers") }
func (f *fake) Strangers(context.Context) ([]status.Stranger, error)    { return nil, f.do("Strangers") }
func (f *fake) Sequences(context.Context, bool) (int, error)            { return 3, f.do("Sequences") }
func (f *fake) Finish(context.Context) (string, error)                  { return "", f.do("Finish") }
func (f *fake) Tables(context.Context) ([]chunker.Table, error)         { return f.tables(), f.do("Tables") }
func (f *fake) Late(context.Context, bool) ([]chunker.Table, error) {
	return f.found.Late, f.do("Late")
}
func (f *fake) Open(context.Context) error { return f.do("Open") }
func (f *fake) Missed() map[string]int64   { return nil }

func (f *fake) LargeObjects(context.Context, bool, bool) (*LargeObjects, error) {
	return nil, f.do("LargeObjects")
}

func (f *fake) LargeObjectsStay(context.Context) error { return f.do("LargeObjectsStay") }

func (f *fake) tables() []chunker.Table { return []chunker.Table{{Schema: "ed", Name: "visit"}} }

func (f *fake) CopyLate(context.Context, []chunker.Table) (rows, bytes int64, err error) {
	return 0, 0, f.do("CopyLate")
}

func (f *fake) Changed(context.Context, []*chunker.Table, wal.LSN) (map[*chunker.Table]Compared, error) {
	return nil, f.do("Changed")
}

func (f *fake) Progress() string { return "half of it" }

func (f *fake) Compare(_ context.Context, tables []*chunker.Table) (map[*chunker.Table]Compared, error) {
	if f.noted != nil {
		<-f.noted
	}
	all := map[*chunker.Table]Compared{}
	for _, t := range tables {
		all[t] = Compared{Source: checksum.Set{Rows: 7}, Target: checksum.Set{Rows: 7}}
	}
	return all, f.do("Compare")
}

func (f *fake) Predict(context.Context, []chunker.Table, []chunker.Table, bool) ([]Prediction, error) {
	return []Prediction{{"late tables", 40, "measured"}, {"verify", 2, "measured"}}, f.do("Predict")
}

// Manifest is asked before the fence and behind it, there beside the other steps.
func (f *fake) Manifest(context.Context) (*schema.Manifest, error) {
	if f.asked.Add(1) == f.lostAt {
		return (&schema.Manifest{}).With(schema.Item{Kind: "view", Name: "ed.fresh", Loss: true}), fault.New(fault.Preflight, errors.New("view ed.fresh is not acknowledged"), "")
	}
	return (&schema.Manifest{}).With(), nil
}

// TestManifestCloses: what nobody has acknowledged is refused before anything is fenced, and what was
// made between the gate and the fence before anything is opened.
func TestManifestCloses(t *testing.T) {
	for at, want := range map[int32][]string{1: nil, 2: {"Fence", "Lift"}} {
		f := &fake{found: healthy(), lostAt: at}
		report, err := f.run(Options{})
		if fault.CodeOf(err) != fault.Preflight || report.Outcome != Failed || len(report.Manifest.Losses()) != 1 {
			t.Errorf("lost at look %d: %v, %s", at, err, report.Outcome)
		}
		for _, step := range []string{"Fence", "Lift", "Open"} {
			if slices.Contains(f.calls, step) != slices.Contains(want, step) {
				t.Errorf("lost at look %d: %q", at, f.calls)
			}
		}
		if g := report.Gates[len(report.Gates)-1]; g.Name != "manifest" || g.Closed != (at == 1) {
			t.Errorf("lost at look %d: gate %+v", at, g)
		}
	}
	f := &fake{found: healthy()}
	if report, err := f.run(Options{}); err != nil || report.Manifest == nil || f.asked.Load() != 2 {
		t.Errorf("nothing lost: %v, asked %d times", err, f.asked.Load())
	}
}

func (f *fake) run(o Options) (*Report, error) {
	o.Fence, o.Verify = source.FenceDatabase, VerifyChanged
	r := NewReport("emr", o.Rehearsal)
	return r, Run(context.Background(), f, o, r, func(Event) {})
}

// TestNotes: whoever waits for a long step hears how far it has come, between its beginning and its end.
func TestNotes(t *testing.T) {
	f := newFake(nil)
	f.noted = make(chan struct{})
	var heard []string
	tell := func(e Event) {
		if e.Step != "verify" {
			return
		}
		heard = append(heard, string(e.State)+" "+e.Text)
		if len(heard) == 3 { // it is told again and again
			close(f.noted)
		}
	}
	o := Options{Fence: source.FenceDatabase, Verify: VerifyFull, Every: time.Millisecond}
	if err := Run(t.Context(), f, o, NewReport("emr", false), tell); err != nil {
		t.Fatal(err)
	}
	last := len(heard) - 1
	if heard[0] != "begin " || heard[1] != "note half of it" || heard[2] != heard[1] || !strings.HasPrefix(heard[last], "end 2 tables") {
		t.Errorf("heard %q", heard)
	}
}

func newFake(fails map[string]error) *fake { return &fake{fails: fails, found: healthy()} }

// failed are the steps that the report marks so.
func failed(r *Report) (names []string) {
	for _, s := range r.Steps {
		if s.Failed {
			names = append(names, s.Name)
		}
	}
	return names
}

var errBroken = fault.New(fault.Target, errors.New("the disk of the target is full"), "make room")

// TestFailedStepsAreMarked fails every step: the report marks it, with its time, and tells why.
func TestFailedStepsAreMarked(t *testing.T) {
	for _, tt := range []struct{ method, step string }{
		{"Facts", "gates"}, {"Look", "gates"}, {"Fence", "fence the source"}, {"Reach", "drain"}, {"CopyLate", "late tables"},
		{"LargeObjects", "large objects"}, {"Sequences", "sequences"}, {"Finish", "triggers, rules, views"}, {"Compare", "verify"}, {"Audit", "nobody else wrote"},
		{"LargeObjectsStay", "nobody else wrote"}, {"Open", "open the target"},
	} {
		f := newFake(map[string]error{tt.method: errBroken})
		r, err := f.run(Options{})
		if !errors.Is(err, errBroken) || r.Outcome != Failed || !slices.Equal(failed(r), []string{tt.step}) {
			t.Errorf("%s: %v, outcome %s, failed steps %v", tt.method, err, r.Outcome, failed(r))
		}
		lifted := slices.Contains(f.calls, "Lift")
		if want := tt.step != "gates" && tt.step != "open the target"; lifted != want {
			t.Errorf("%s: the fence is lifted: %v", tt.method, lifted)
		}
		var text, page bytes.Buffer
		if err := errors.Join(r.WriteText(&text), r.WriteHTML(&page)); err != nil {
			t.Fatal(err)
		}
		for _, out := range []string{text.String(), page.String()} {
			if !strings.Contains(out, "FAILED: the disk of the target is full") {
				t.Errorf("%s: the report does not mark the step:\n%s", tt.method, out)
			}
		}
	}
}

// TestFenceThatStays: that the source still refuses writes comes before why that began.
func TestFenceThatStays(t *testing.T) {
	f := newFake(map[string]error{"Compare": errBroken, "Lift": errors.New("connection refused")})
	r, err := f.run(Options{})
	if fault.CodeOf(err) != fault.Source || !strings.HasPrefix(err.Error(), "THE SOURCE STILL REFUSES WRITES") || !strings.Contains(fault.HintOf(err), "--abort") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "the disk of the target is full") {
		t.Errorf("error %v", err)
	}
	if last := r.Steps[len(r.Steps)-1]; !slices.Equal(failed(r), []string{"verify", "lift the fence"}) || last.Detail != "connection refused" || r.Failure.Message != err.Error() {
		t.Errorf("steps %+v", r.Steps)
	}
}

// TestFenceOfAKilledAttempt: a gate that is closed now must not leave it up.
func TestFenceOfAKilledAttempt(t *testing.T) {
	for _, rehearsal := range []bool{false, true} {
		f := newFake(nil)
		f.found.Lag = DefaultMaxLag + 1
		r, err := f.run(Options{Fenced: true, Rehearsal: rehearsal})
		if fault.CodeOf(err) != fault.Preflight || slices.Contains(f.calls, "Fence") || slices.Contains(f.calls, "Lift") == rehearsal {
			t.Errorf("rehearsal %v: %v, calls %v, %+v", rehearsal, err, f.calls, r.Steps)
		}
	}
}

// TestRehearsalTells: it fences nobody, compares nothing, and does not look as if it had.
func TestRehearsalTells(t *testing.T) {
	f := newFake(nil)
	r, err := f.run(Options{Rehearsal: true})
	if err != nil || r.Outcome != Rehearsed || !r.FenceLSN.IsZero() || r.RehearsedLSN != 0x1234 {
		t.Fatalf("%v, %+v", err, r)
	}
	for _, never := range []string{"Fence", "Lift", "CopyLate", "Finish", "Changed", "Compare", "Open"} {
		if slices.Contains(f.calls, never) {
			t.Errorf("a rehearsal calls %s", never)
		}
	}
	unknown := 0
	for _, p := range r.Predictions {
		if p.Basis == "" {
			t.Errorf("no word on what %+v rests on", p)
		}
		if p.Seconds < 0 {
			unknown++
		}
	}
	if len(r.Predictions) != len(r.Steps) || unknown != 4 || r.Predicted < 42 || r.Predicted > 43 {
		t.Errorf("predicted %v: %+v", r.Predicted, r.Predictions)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"fence LSN", "consistent LSN", "0 rows", "sequences set"} {
		if strings.Contains(text.String(), bad) {
			t.Errorf("%q in\n%s", bad, &text)
		}
	}
}
