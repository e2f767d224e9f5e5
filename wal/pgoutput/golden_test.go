package pgoutput_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicator/wal"
)

// Formats are described in testdata/pgoutput/README.md.

var update = flag.Bool("update", false, "capture the golden bytes anew from servers 14 to 18")

const goldenDir = "../../testdata/pgoutput"

var (
	versions = []int{14, 15, 16, 17, 18}
	modes    = []string{"binary", "text"}
)

// message is a line of a golden file.
type message struct {
	lsn  wal.LSN
	data []byte
}

// TestGolden: what the servers sent means what the transcript says, the same on all versions.
func TestGolden(t *testing.T) {
	for _, mode := range modes {
		var first string
		for _, version := range versions {
			if *update {
				server, msgs := capture(t, version, mode)
				writeGolden(t, version, mode, server, msgs)
			}
			t.Run(fmt.Sprintf("%d %s", version, mode), func(t *testing.T) {
				got := transcribe(t, readGolden(t, version, mode))
				if first == "" {
					first = got
				}
				if *update && got == first {
					writeFile(t, mode+".transcript", got)
				}
				want, err := os.ReadFile(filepath.Join(goldenDir, mode+".transcript"))
				if err != nil {
					t.Fatal(err)
				}
				diff(t, string(want), got)
			})
		}
	}
}

func diff(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			t.Fatalf("transcripts part at line %d\nwant %.300q\n got %.300q", i+1, w[min(i, len(w)):min(i+2, len(w))], g[min(i, len(g)):min(i+2, len(g))])
		}
	}
}

func goldenFile(version int, mode string) string { return fmt.Sprintf("%d.%s.hex", version, mode) }

func readGolden(t testing.TB, version int, mode string) []message {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenDir, goldenFile(version, mode)))
	if err != nil {
		t.Fatal(err)
	}
	var msgs []message
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		at, data, _ := strings.Cut(lines.Text(), " ")
		var m message
		if m.lsn, err = wal.ParseLSN(at); err != nil {
			t.Fatal(err)
		}
		if m.data, err = hex.DecodeString(data); err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, m)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return msgs
}

func writeGolden(t *testing.T, version int, mode string, server string, msgs []message) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# PostgreSQL %s\n", server)
	for _, m := range msgs {
		fmt.Fprintf(&b, "%s %x\n", m.lsn, m.data)
	}
	writeFile(t, goldenFile(version, mode), b.String())
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(goldenDir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
