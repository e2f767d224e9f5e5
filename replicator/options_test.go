package replicator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// TestSelection moves one schema without one of its tables, then refuses another selection.
func TestSelection(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE SCHEMA "ED 1"; CREATE TABLE "ED 1".stay (id int PRIMARY KEY); CREATE TABLE "ED 1".scratch (id int PRIMARY KEY);
		CREATE SCHEMA other; CREATE TABLE other.t (id int PRIMARY KEY); INSERT INTO "ED 1".stay SELECT generate_series(1, 100); INSERT INTO other.t VALUES (1)`)
	p.o.Select = schema.Selection{Schemas: []string{`"ED 1"`}, ExcludeTables: []string{`"ED 1".scr*`}}
	p.o.Until = "consistent"
	if err := replicator.Seed(context.Background(), p.o); err != nil {
		t.Fatal(err)
	}
	tables := "SELECT string_agg(schemaname || '.' || tablename, ', ' ORDER BY 1) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'replicator')"
	if have := p.value(p.target, tables); have != "ED 1.stay" {
		t.Errorf("target has %s", have)
	}
	if n := p.value(p.target, `SELECT count(*) FROM "ED 1".stay`); n != "100" {
		t.Errorf("target has %s rows", n)
	}
	p.o.Select = schema.Selection{Schemas: []string{"other"}}
	if err := replicator.Seed(context.Background(), p.o); fault.CodeOf(err) != fault.Usage {
		t.Errorf("resumed with another selection: %v", err)
	}
}

// TestUntilCopiedThenOn ends after the copy and goes on to the end with the same directory.
func TestUntilCopiedThenOn(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	p.o.Until = "copied"
	if err := replicator.Seed(context.Background(), p.o); err != nil {
		t.Fatal(err)
	}
	s, err := replicator.ReadStatus(context.Background(), p.o.Dir, "")
	if err != nil || s.Running || s.Copy.ChunksCopied != s.Copy.ChunksTotal {
		t.Errorf("after the copy: %+v, %v", s.Copy, err)
	}
	p.exec(p.source, "UPDATE h.account SET balance = balance + 1; DELETE FROM h.note WHERE id < 500")
	p.o.Until = ""
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	p.compare()
}

// TestNoKeyFull follows a table without key through REPLICA IDENTITY FULL, duplicates included.
func TestNoKeyFull(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE audit (at int, what text, j json); INSERT INTO audit SELECT i % 3, 'same', '{}' FROM generate_series(1, 30) i`)
	p.o.NoKey, p.o.Confirm = "full", "applied"
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.source, `INSERT INTO audit VALUES (1, 'same', '{}'), (9, NULL, NULL); DELETE FROM audit WHERE ctid = (SELECT min(ctid) FROM audit);
		UPDATE audit SET what = 'other' WHERE ctid = (SELECT max(ctid) FROM audit WHERE at = 2)`)
	report := p.mustCatchup()
	for _, tab := range report.Tables {
		if tab.Late {
			t.Errorf("%s was copied at the fence", tab.Name)
		}
	}
	if len(report.MissedRows) > 0 {
		t.Errorf("changes that found no row: %v", report.MissedRows)
	}
	p.compare()
}

// TestPriority copies the tables of the first pattern before larger ones.
func TestPriority(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `CREATE TABLE big (id int PRIMARY KEY, pad text); CREATE TABLE ward (id int PRIMARY KEY); CREATE TABLE bed (id int PRIMARY KEY, pad text);
		INSERT INTO big SELECT i, repeat('x', 300) FROM generate_series(1, 3000) i; INSERT INTO bed SELECT i, 'x' FROM generate_series(1, 500) i; INSERT INTO ward VALUES (1); ANALYZE`)
	p.o.Priority, p.o.Until, p.o.Jobs = []string{"public.w*", "bed"}, "copied", 1
	if err := replicator.Seed(context.Background(), p.o); err != nil {
		t.Fatal(err)
	}
	s, err := replicator.ReadStatus(context.Background(), p.o.Dir, "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tab := range s.Tables {
		names = append(names, tab.Name)
	}
	if have := strings.Join(names, " "); have != "public.ward public.bed public.big" {
		t.Errorf("order of the plan: %s", have)
	}
	order := p.value(p.target, "SELECT string_agg(DISTINCT tbl::text, ' ' ORDER BY tbl::text) FROM (SELECT tbl FROM replicator.receipt ORDER BY written LIMIT 2) r")
	if order != "0 1" {
		t.Errorf("tables %s were copied first", order)
	}
}

// TestNothingTellsValues looks for values of rows wherever a job leaves words: reports, status, the
// process's title, and what a conflict on the target makes it say.
func TestNothingTellsValues(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", e.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	checkCanary(t, string(title))
	// A value that the target has already, in a row that the source does not know.
	p.exec(p.target, "INSERT INTO h.other (id, code, n) VALUES (0, '"+canary+" planted', 0)")
	p.exec(p.source, "INSERT INTO h.other (id, code, n) VALUES (0, '"+canary+" planted', 0)")
	<-e.gone
	if e.code != int(fault.Mismatch) {
		t.Errorf("engine that met a planted row ended with %d:\n%s", e.code, e.out)
	}
	for _, want := range []string{"23505", "h.other", "other_code"} {
		if !strings.Contains(e.out.String(), want) {
			t.Errorf("%q is not named:\n%s", want, e.out)
		}
	}
	s, err := replicator.ReadStatus(context.Background(), p.o.Dir, "")
	if err != nil || s.Phase != status.Failed {
		t.Errorf("status after the conflict: %s, %v", s.Phase, err)
	}
	shown, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	checkCanary(t, string(shown))
	p.exec(p.target, "DELETE FROM h.other WHERE code = '"+canary+" planted'")
	report := p.mustCatchup()
	var text, page strings.Builder
	if err := report.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	checkCanary(t, text.String())
	checkCanary(t, page.String())
	p.compare()
	if _, err := os.Stat(filepath.Join(p.o.Dir, "control.sock")); err == nil {
		t.Error("the control socket is still there")
	}
}
