package replicator_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers is the import table: a package may import what stands in a layer above it in this list,
// and within its own layer nothing. Nouns first, the command last.
var layers = [][]string{
	{"replicator/fault", "replicator/pg", "replicator/keyfile"},
	{"wal", "checksum", "checksum/atrest", "checksum/column", "replicator/link/pace", "replicator/link/pki", "replicator/sizing/forecast"},
	{"checksum/frame", "wal/pgoutput", "wal/slot", "replicator/sign"},
	{"wal/changelog"},
	{"wal/stream", "chunker"},
	{"replicator/ddl"},
	{"replicator/checkpoint", "replicator/status", "replicator/schema", "replicator/source", "replicator/apply", "replicator/largeobject"},
	{"replicator/target", "replicator/catchup", "replicator/verify"},
	{"replicator/control", "replicator/check", "replicator/link"},
	{"replicator/sizing"},
	{"replicator"},
	{"bench/cluster", "bench/proxy", "bench/measure", "bench/zoo", "bench/odd"},
	{"bench/clinical"},
	{"bench/clinical/workload", "bench/peer"},
	{"bench/wire", "bench/smoke"},
	{"cmd/replicator", "bench/wan", "bench/verify", "bench/sizing", "bench/copy", "bench/cdc", "bench/source"},
}

// TestImportsPointDownwards lists what every package imports and holds it against the table.
func TestImportsPointDownwards(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports ","}}`, "replicator/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	layer := func(pkg string) int {
		return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, pkg) })
	}
	for line := range strings.Lines(string(out)) {
		pkg, imports, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		pkg = strings.TrimPrefix(pkg, "replicator/")
		if layer(pkg) < 0 {
			t.Errorf("package %s is not in the table", pkg)
		}
		for imp := range strings.SplitSeq(imports, ",") {
			name, ours := strings.CutPrefix(imp, "replicator/")
			if ours && layer(name) >= layer(pkg) {
				t.Errorf("%s imports %s, which does not stand below it", pkg, name)
			}
		}
	}
}
