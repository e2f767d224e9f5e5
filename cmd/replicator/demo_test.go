package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
)

// TestDemo runs the demo at its smallest and looks at what is left of it.
func TestDemo(t *testing.T) {
	a, stdout, stderr := written(t)
	dir := t.TempDir()
	if code := a.main(t.Context(), []string{"demo", "--scale", "0.002", "--dir", dir, "--json"}); code != fault.OK {
		log, _ := os.ReadFile(filepath.Join(dir, "engine.log"))
		t.Fatalf("exit code %d\n%s\n%s", code, stderr(), log)
	}
	var report catchup.Report
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Outcome != catchup.Opened || len(report.Different()) > 0 || len(report.Tables) == 0 {
		t.Errorf("outcome %s, %d tables, different: %v", report.Outcome, len(report.Tables), report.Different())
	}
	for _, table := range report.Tables {
		if !table.Compared() {
			t.Errorf("table %s was not compared", table.Name)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "job*")); err != nil || len(left) > 0 {
		t.Errorf("the job's state is still there: %v, error %v", left, err)
	}
	for _, pattern := range []string{"catchup-*.json", "catchup-*.html", "rehearsal-*.json", "rehearsal-*.html"} {
		if found, err := filepath.Glob(filepath.Join(dir, "reports", pattern)); err != nil || len(found) != 1 {
			t.Errorf("reports like %s: %v, error %v", pattern, found, err)
		}
	}
	if !strings.Contains(stderr(), "the wards wrote") {
		t.Errorf("the story is not on stderr: %s", stderr())
	}
}
