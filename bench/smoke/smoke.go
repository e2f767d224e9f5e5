// Package smoke runs a benchmark at its smallest, so that a test notices when it does not run any more.
package smoke

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"replicator/bench/measure"
)

// Program makes the program to measure. go run keeps what it has linked: of several packages' tests only
// the first waits for the linker.
func Program(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "replicator")
	if out, err := exec.Command("go", "run", "-exec", "cp", "replicator/cmd/replicator", program).CombinedOutput(); err != nil {
		t.Fatalf("make the program: %v\n%s", err, out)
	}
	return program
}

// Run has run do its work with args, and with a file for its report, in which every group must have what
// it compares by, of us alone.
func Run(t *testing.T, run func(args []string) error, args ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	if err := run(append(args, "--replicator", Program(t), "--json", file)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r measure.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Groups) == 0 {
		t.Error("the report compares nothing")
	}
	for _, g := range r.Groups {
		if len(g.Subjects) != 1 || g.Subjects[0].Role != measure.Ours || len(g.Subjects[0].Runs) != 1 {
			t.Errorf("%s: not one run of ours: %s", g.Name, text)
		} else if v := g.Subjects[0].Runs[0].Values[g.Key]; v <= 0 {
			t.Errorf("%s: %s is %v", g.Name, g.Key, v)
		}
	}
}
