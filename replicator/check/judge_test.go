package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/sizing/forecast"
)

func TestFaultyMinor(t *testing.T) {
	for _, tt := range []struct {
		version int
		sound   string
	}{
		{140018, "14.19"}, {140019, ""}, {150013, "15.14"}, {150014, ""}, {150018, ""},
		{160009, "16.10"}, {160010, ""}, {170005, "17.6"}, {170006, ""}, {180000, ""}, {180004, ""},
	} {
		sound, faulty := faultyMinor(tt.version)
		if sound != tt.sound || faulty != (tt.sound != "") {
			t.Errorf("%d: %q, %v, want %q", tt.version, sound, faulty, tt.sound)
		}
	}
}

// judge runs one check over a source that is not there.
func judge(o Options, src, dst side, checks ...func(*run, context.Context) error) *Report {
	src.name, dst.name = Source, Target
	r := &run{o: o, src: &src, dst: &dst}
	for _, check := range checks {
		if err := check(r, context.Background()); err != nil {
			panic(err) // these checks ask nobody
		}
	}
	return &r.report
}

func TestVersions(t *testing.T) {
	for _, tt := range []struct {
		src, dst int
		risk     bool
		id       string
		side     Side
		want     Level
	}{
		{150018, 150018, false, "minor-release", Source, OK},
		{150013, 150018, false, "minor-release", Source, Must},
		{150013, 150018, true, "minor-release", Source, Note},
		{130022, 150018, true, "version", Source, Must},
		{150018, 190000, false, "version", Target, Must},
		{150018, 190000, true, "version", Target, Note},
		{160010, 150018, true, "downgrade", Both, Must},
		{150018, 180004, false, "downgrade", Both, OK},
	} {
		r := judge(Options{AcceptRisk: tt.risk}, side{Server: Server{Version: tt.src}}, side{Server: Server{Version: tt.dst}},
			(*run).versions, (*run).minorRelease, (*run).downgrade)
		if f := r.find(tt.id, tt.side); f == nil || f.Level != tt.want {
			t.Errorf("%d to %d, risk %v: %+v, want %s %s", tt.src, tt.dst, tt.risk, f, tt.id, tt.want)
		}
	}
}

func TestPluginLibraries(t *testing.T) {
	for _, tt := range []struct {
		setting string
		want    Level
		sql     string
	}{
		{"pgoutput, test_decoding", OK, ""}, {"pgoutput", OK, ""}, {`"pgoutput"`, OK, ""},
		{"wal2json", Must, "'wal2json', 'pgoutput'"}, {"", Must, "= 'pgoutput'"}, {"pgoutput_x", Must, "'pgoutput_x', 'pgoutput'"},
	} {
		r := judge(Options{}, side{settings: map[string]string{"output_plugin_libraries": tt.setting}}, side{},
			func(r *run, _ context.Context) error { r.plugins(); return nil })
		if f := r.find("plugins", Source); f == nil || f.Level != tt.want || !strings.Contains(f.SQL, tt.sql) {
			t.Errorf("%q: %+v, want %s %s", tt.setting, f, tt.want, tt.sql)
		}
	}
	if r := judge(Options{}, side{}, side{}, func(r *run, _ context.Context) error { r.plugins(); return nil }); len(r.Findings) != 0 {
		t.Error("a server without the setting has a finding")
	}
}

func TestRetention(t *testing.T) {
	sound := map[string]string{"max_slot_wal_keep_size": "-1", "wal_sender_timeout": "60000", "idle_replication_slot_timeout": "0"}
	for _, tt := range []struct {
		setting, value, id string
	}{
		{"max_slot_wal_keep_size", "1024", "slot-keep-size"},
		{"idle_replication_slot_timeout", "3600", "slot-idle-timeout"},
		{"wal_sender_timeout", "0", "wal-sender-timeout"},
		{"wal_sender_timeout", "5000", "wal-sender-timeout"},
	} {
		settings := map[string]string{}
		for k, v := range sound {
			settings[k] = v
		}
		if f := judge(Options{}, side{settings: settings}, side{}, (*run).retention).find(tt.id, Source); f != nil && f.Level != OK {
			t.Errorf("sound settings: %+v", f)
		}
		settings[tt.setting] = tt.value
		if f := judge(Options{}, side{settings: settings}, side{}, (*run).retention).find(tt.id, Source); f == nil || f.Level != Note || f.SQL == "" {
			t.Errorf("%s = %s: %+v", tt.setting, tt.value, f)
		}
	}
}

func TestJudgeDisk(t *testing.T) {
	for _, tt := range []struct {
		free, heap int64
		want       Level
	}{{100 << 20, 0, Must}, {2 << 30, 0, OK}, {2 << 30, 100 << 30, Note}, {20 << 30, 100 << 30, OK}} {
		if f := judgeDisk(tt.free, tt.heap); f.Level != tt.want {
			t.Errorf("%s free for %s: %+v, want %s", size(tt.free), size(tt.heap), f, tt.want)
		}
	}
	if _, err := FreeBytes(t.TempDir() + "/not/there/yet"); err != nil {
		t.Error(err)
	}
}

func TestEstimate(t *testing.T) {
	e := estimate(720<<20, 120<<20, 120<<20)
	if e.Low() != 6*time.Second || e.High() != 12*time.Second || e.LateLow != time.Second || e.LateHigh != 2*time.Second {
		t.Errorf("%+v", e)
	}
}

// TestForetold: what was measured is told instead of a guess.
func TestForetold(t *testing.T) {
	r := &Report{Plan: Plan{Tables: []PlanTable{{Name: "public.t"}}, Estimate: estimate(1<<30, 0, 0)}}
	for _, measured := range []bool{false, true} {
		if measured {
			r.Plan.Foretold = &Foretold{Seed: forecast.Range{P50: 7200, P95: 10800}, Open: forecast.Range{P50: 90, P95: 120}}
		}
		var b strings.Builder
		if err := r.WriteText(&b, false); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "a rough guess") == measured || strings.Contains(b.String(), "2 h 0 min, seldom more than 3 h 0 min") != measured {
			t.Errorf("measured %v:\n%s", measured, b.String())
		}
	}
}

// A pooler invents the backend's process: the session's and SQL's differ.
func TestPooler(t *testing.T) {
	c := server(t, 15)
	s, err := connect(t.Context(), Source, c.DSN(database(t, c)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.conn.Close()
	r := &run{src: s}
	if r.pooler(s); len(r.report.Findings) != 0 {
		t.Errorf("direct: %+v", r.report.Findings)
	}
	s.pid = "1"
	if r.pooler(s); r.report.find("pooler", Source) == nil {
		t.Error("a pooler is not noticed")
	}
}

// Sessions of the check cannot write, whatever a check tries.
func TestSessionsCannotWrite(t *testing.T) {
	c := server(t, 15)
	s, err := connect(t.Context(), Source, c.DSN(database(t, c)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.conn.Close()
	if _, err := s.query(t.Context(), "CREATE TABLE public.t (x int)"); fault.CodeOf(err) != fault.Source || !strings.Contains(err.Error(), "25006") {
		t.Errorf("got %v, want SQLSTATE 25006", err)
	}
}

func TestUnreachable(t *testing.T) {
	c := server(t, 15)
	here, nowhere := c.DSN(database(t, c)), "postgres://x@127.0.0.1:1/x?sslmode=disable"
	for _, tt := range []struct {
		o    Options
		want fault.Code
	}{{Options{Source: nowhere, Target: here}, fault.Source}, {Options{Source: here, Target: nowhere}, fault.Target}} {
		if _, err := Run(t.Context(), tt.o); fault.CodeOf(err) != tt.want || fault.HintOf(err) == "" {
			t.Errorf("got code %d: %v, want %d", fault.CodeOf(err), err, tt.want)
		}
	}
}

// The text is bounded, the JSON form holds all.
func TestTextIsBounded(t *testing.T) {
	var names []string
	r := &Report{Version: ReportVersion, Source: Server{Release: "15.18"}}
	for i := range 1000 {
		names = append(names, fmt.Sprintf("ward.table_%03d", i))
		r.Plan.Tables = append(r.Plan.Tables, PlanTable{Name: names[i], Cut: "whole", Chunks: 1})
	}
	r.Findings = []Finding{{ID: "x", Level: Must, Side: Source, Subject: "subject", Text: "of these: " + few(names), Names: names,
		SQL: each(names, func(n string) string { return "ALTER TABLE " + n + " REPLICA IDENTITY FULL" })}, {ID: "y", Level: OK, Side: Here, Subject: "fine"}}
	if !r.MustFix() {
		t.Error("MustFix is false")
	}
	var plain, tty bytes.Buffer
	if err := r.WriteText(&plain, false); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteText(&tty, true); err != nil {
		t.Fatal(err)
	}
	text := plain.String()
	if n := strings.Count(text, "\n"); n > 70 {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{"ward.table_009 and 990 more", "... and 988 more lines", "... and 975 smaller tables", "1 must fix, 0 to note, 1 ok"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") || !strings.Contains(tty.String(), "\x1b[31;1mmust fix\x1b[0m") {
		t.Error("colour is for terminals, and only for them")
	}
	out, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(out), "ward.table_999") || !strings.HasPrefix(string(out), `{"version":1,`) {
		t.Errorf("JSON: %v: %.100s", err, out)
	}
}
