package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/sign"
)

// signedReport is a report of a job with a key of its own, begun at a time of its own.
func signedReport(t *testing.T, minute int) *catchup.Report {
	t.Helper()
	key, err := sign.Generate()
	if err != nil {
		t.Fatal(err)
	}
	r := catchup.NewReport("emr", false)
	r.Started = time.Date(2026, 11, 22, 19, minute, 0, 0, time.UTC)
	r.End(catchup.Opened, nil)
	if err := r.Sign(key); err != nil {
		t.Fatal(err)
	}
	return r
}

func mustKeep(t *testing.T, r *catchup.Report, dir string) kept {
	t.Helper()
	files, err := keepReport(r, dir)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestKeepReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports")
	r := signedReport(t, 0)
	files := mustKeep(t, r, dir)
	want := []string{"catchup-20261122T190000Z.html", "catchup-20261122T190000Z.html.minisig",
		"catchup-20261122T190000Z.json", "catchup-20261122T190000Z.json.minisig", "replicator.pub"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	for _, f := range files.reports {
		for _, key := range []string{"", files.publicKey, r.PublicKey} {
			v, err := verifyReport(f, key)
			if err != nil || v.statement.Job != "emr" || (v.beside == "") != (key != "") {
				t.Errorf("%s, key %q: %+v, %v", f, key, v, err)
			}
		}
		if err := os.WriteFile(f, append(slices.Clone(mustRead(t, f)), ' '), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := verifyReport(f, ""); fault.CodeOf(err) != fault.Mismatch {
			t.Errorf("%s with a blank more: %v", f, err)
		}
	}
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestJobsShareADirectory: every report finds the key that signed it, and none is ever replaced.
func TestJobsShareADirectory(t *testing.T) {
	dir := t.TempDir()
	var all []string
	for minute := range 3 {
		r := signedReport(t, minute)
		for range 2 { // the second time everything is there
			all = append(all, mustKeep(t, r, dir).reports...)
		}
	}
	for _, f := range all {
		if _, err := verifyReport(f, ""); err != nil {
			t.Error(err)
		}
	}
	// What has the name of a key and is none stays as well.
	stray, r := filepath.Join(dir, "replicator.pub"), signedReport(t, 9)
	if err := os.WriteFile(stray, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := mustKeep(t, r, dir)
	if string(mustRead(t, stray)) != "notes" || files.publicKey == stray {
		t.Errorf("%s was replaced", stray)
	}
	if _, err := verifyReport(files.reports[0], ""); err != nil {
		t.Error(err)
	}
}

// TestKeepUnsigned: where the engine could not sign there is a report all the same, and it says so.
func TestKeepUnsigned(t *testing.T) {
	dir, r := t.TempDir(), catchup.NewReport("emr", true)
	r.Started = time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)
	files := mustKeep(t, r, dir)
	if got, want := names(t, dir), []string{"rehearsal-20261122T190000Z.html", "rehearsal-20261122T190000Z.json"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if !bytes.Contains(mustRead(t, files.reports[1]), []byte("the report is not signed")) {
		t.Error("the page does not say that it is not signed")
	}
	if _, err := verifyReport(files.reports[0], ""); fault.CodeOf(err) != fault.Usage {
		t.Errorf("a report without signature: %v", err)
	}
}

func TestReportTellsOfItsFiles(t *testing.T) {
	a, stdout, _ := written(t)
	r, dir := signedReport(t, 0), t.TempDir()
	if err := a.report(r, dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{r.PublicKey + "\n", filepath.Join(dir, "catchup-20261122T190000Z.json") + "\n", filepath.Join(dir, "replicator.pub") + "\n"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q on stdout:\n%s", want, stdout)
		}
	}
}

func TestOperatorIsTold(t *testing.T) {
	a, _, _ := written(t)
	a.getenv = func(name string) string { return map[string]string{"SUDO_USER": "anna"}[name] }
	o := a.operator()
	host, _ := os.Hostname()
	if o.User == "" || o.Sudo != "anna" || o.Host != host {
		t.Errorf("operator %+v", o)
	}
	a.getenv = func(string) string { return o.User }
	if got := a.operator(); got.Sudo != "" {
		t.Errorf("who becomes themselves: %+v", got)
	}
}

// TestVerifyCommandOnAReport goes the whole way of a command line, with the key's note on stderr.
func TestVerifyCommandOnAReport(t *testing.T) {
	a, stdout, stderr := written(t)
	files := mustKeep(t, signedReport(t, 0), t.TempDir())
	if code := a.main(context.Background(), []string{"report", "verify", files.reports[0]}); code != fault.OK {
		t.Fatalf("exit code %d: %s", code, stderr())
	}
	if strings.Count(stdout.String(), "\n") != 1 || !strings.Contains(stdout.String(), "job emr, open, ") || strings.Contains(stdout.String(), "fence") {
		t.Errorf("stdout %q, want one line without a fence", stdout)
	}
	if !strings.Contains(stderr(), besideNote) {
		t.Errorf("stderr %q, want %q in it", stderr(), besideNote)
	}
}
