package replicator_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// keyFile writes a key file beside the state directory and returns its path and the forms in which
// the key could turn up.
func keyFile(t *testing.T, seed uint64) (path string, forms map[string]string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(r.Uint32())
	}
	path = filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, map[string]string{
		"the key": string(key), "the key in hex": hex.EncodeToString(key), "the key in HEX": strings.ToUpper(hex.EncodeToString(key)),
		"the key in base64": base64.RawStdEncoding.EncodeToString(key), "the key in base64, URLs": base64.RawURLEncoding.EncodeToString(key),
	}
}

// search looks for words in every file below dir, and in whatever in them is a zstd frame. It adds to
// found what is where.
func search(t *testing.T, dir string, words map[string]string, found map[string]bool) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		name, _ := filepath.Rel(dir, path)
		for _, b := range append(unpacked(b), b) {
			for what, word := range words {
				if bytes.Contains(b, []byte(word)) {
					found[what+" in "+name] = true
				}
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files are on disk: %v", files, err)
	}
}

// unpacked is what the zstd frames in b hold.
func unpacked(b []byte) (all [][]byte) {
	magic := []byte{0x28, 0xb5, 0x2f, 0xfd}
	for i := bytes.Index(b, magic); i >= 0; {
		if z, err := zstd.NewReader(bytes.NewReader(b[i:]), zstd.WithDecoderConcurrency(1)); err == nil {
			out, _ := io.ReadAll(z) // behind the frame comes something else
			all = append(all, out)
			z.Close()
		}
		next := bytes.Index(b[i+1:], magic)
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return all
}

// TestSealedAtRest seeds under load, is killed again and again, catches up, and looks for values of
// rows and for the key in every file that it left on the way. Without a key file the same search
// finds the values, in the change log and in the store.
func TestSealedAtRest(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		t.Run(map[bool]string{false: "clear", true: "key"}[sealed], func(t *testing.T) {
			seed := seedOf(t)
			p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
			path, words := keyFile(t, seed)
			if sealed {
				p.o.KeyFile = path
			}
			words["a value"] = canary
			// What a table's owner wrote into a default goes into the dump and into the plan.
			p.exec(p.source, hammerSchema+hammerRows(2000)+"ALTER TABLE h.account ALTER memo SET DEFAULT '"+canary+"'")
			h := startHammer(t, p.source, seed, 3, 2000)
			found := map[string]bool{}
			for _, o := range []orders{
				{Options: p.o, KillAt: "engine: chunk received", KillNth: 9},
				{Options: p.o, KillAt: "engine: before marker", KillNth: 1}, // which comes once
				{Options: p.o, KillAt: "changelog: after fsync", KillNth: 5},
				{Options: p.o, KillAt: "apply: before commit", KillNth: 2},
			} {
				e := startEngine(t, o)
				<-e.gone
				if e.code != -1 {
					t.Fatalf("engine was not killed at %q but ended with %d:\n%s", o.KillAt, e.code, e.out)
				}
				search(t, p.o.Dir, words, found)
			}
			p.exec(p.source, "CREATE TABLE h.made (id int PRIMARY KEY, note text DEFAULT '"+canary+"'); INSERT INTO h.made VALUES (1)")
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			search(t, p.o.Dir, words, found)
			h.stop()
			p.writeReport(p.mustCatchup())
			<-e.gone
			search(t, p.o.Dir, words, found)
			p.compare()
			all := strings.Join(slices.Sorted(maps.Keys(found)), "\n")
			if sealed && all != "" {
				t.Errorf("the search finds\n%s", all)
			}
			for _, what := range []string{"a value in changes/", "a value in state/", "a value in schema.dump", "a value in late.dump"} {
				if !sealed && !strings.Contains(all, what) {
					t.Errorf("the search does not find %s, only\n%s", what, all)
				}
			}
		})
	}
}

// writeReport puts a report where the command does.
func (p *pair) writeReport(r *catchup.Report) {
	p.t.Helper()
	var b bytes.Buffer
	dir := filepath.Join(p.o.Dir, "reports")
	err := errors.Join(r.WriteJSON(&b), r.WriteHTML(&b), r.WriteText(&b), os.Mkdir(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "catchup"), b.Bytes(), 0o600))
	if err != nil {
		p.t.Fatal(err)
	}
}

// sealedJob is a job with a key file that has reached the consistent point and whose engine has ended.
func sealedJob(t *testing.T) *pair {
	t.Helper()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, '"+canary+"' FROM generate_series(1, 100) i")
	p.o.KeyFile, _ = keyFile(t, 1)
	p.seedHere(func(string) {})
	return p
}

// TestKeyFileOfAJob: what a job was begun with it needs from then on, in every command; without it
// nothing is touched.
func TestKeyFileOfAJob(t *testing.T) {
	p := sealedJob(t)
	ctx := context.Background()
	another, _ := keyFile(t, 2)
	missing := filepath.Join(t.TempDir(), "none")
	inside := filepath.Join(p.o.Dir, "key")
	b, err := os.ReadFile(p.o.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inside, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for given, says := range map[string]string{"": "with a key file", another: "another key file", missing: "is not there", inside: "in the state directory"} {
		o := p.o
		o.KeyFile = given
		_, asked := replicator.ReadStatus(ctx, o.Dir, given)
		_, caught := replicator.Catchup(ctx, replicator.CatchupOptions{Dir: o.Dir, KeyFile: given}, nil)
		_, planned := replicator.CleanupPlan(ctx, replicator.CleanupOptions{Dir: o.Dir, KeyFile: given})
		for what, err := range map[string]error{
			"seed": replicator.Seed(ctx, o), "status": asked, "catchup": caught, "cleanup's plan": planned,
			"cleanup": replicator.Cleanup(ctx, replicator.CleanupOptions{Dir: o.Dir, KeyFile: given}),
		} {
			if fault.CodeOf(err) != fault.Usage || fault.HintOf(err) == "" {
				t.Errorf("%s, key file %q: exit code %d: %v", what, given, fault.CodeOf(err), err)
			} else if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, key file %q: says %q", what, given, err)
			}
		}
	}
	if err := os.Remove(inside); err != nil {
		t.Fatal(err)
	}
	s, err := replicator.ReadStatus(ctx, p.o.Dir, p.o.KeyFile)
	if err != nil || s.Copy.ChunksTotal == 0 || s.Copy.ChunksCopied != s.Copy.ChunksTotal {
		t.Errorf("status with the key: %+v, %v", s.Copy, err)
	}
	p.exec(p.source, "UPDATE a SET id = -id")
	report, err := replicator.Catchup(ctx, replicator.CatchupOptions{Dir: p.o.Dir, KeyFile: p.o.KeyFile}, func(catchup.Event) {})
	if err != nil || report.Outcome != catchup.Opened {
		t.Fatalf("catch-up with the key: %v", err)
	}
	p.compare()
	if err := replicator.Cleanup(ctx, replicator.CleanupOptions{Dir: p.o.Dir, KeyFile: p.o.KeyFile}); err != nil {
		t.Errorf("cleanup with the key: %v", err)
	}
}

// TestKeyFileTooLate: a job that was begun without a key file does not take one.
func TestKeyFileTooLate(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY)")
	p.seedHere(func(string) {})
	o := p.o
	o.KeyFile, _ = keyFile(t, 3)
	if err := replicator.Seed(context.Background(), o); fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), "without a key file") {
		t.Errorf("a key file for a readable job: %v", err)
	}
	p.seedHere(func(string) {})
}

// TestReadableIsSaidOnce: an engine without a key file says once that patient data lies readable,
// and where; one with a key file does not, and shows its key at no level.
func TestReadableIsSaidOnce(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
		p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY)")
		path, forms := keyFile(t, 4)
		if sealed {
			p.o.KeyFile = path
		}
		var log syncBuffer
		p.o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		p.seedHere(func(string) {})
		said := 0
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "level=WARN") && strings.Contains(line, "unencrypted") && strings.Contains(line, p.o.Dir) {
				said++
			}
		}
		if want := map[bool]int{false: 1, true: 0}[sealed]; said != want {
			t.Errorf("key file %v: said %d times:\n%s", sealed, said, log.String())
		}
		for what, form := range forms {
			if strings.Contains(log.String(), form) {
				t.Errorf("the log shows %s", what)
			}
		}
	}
}
