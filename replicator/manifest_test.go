package replicator_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// ends runs an engine to its end.
func (p *pair) ends() (fault.Code, string) {
	p.t.Helper()
	e := startEngine(p.t, orders{Options: p.o})
	<-e.gone
	return fault.Code(e.code), e.out.String()
}

// manifest is the one in the state directory.
func (p *pair) manifest() *schema.Manifest {
	p.t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.o.Dir, "manifest.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	m := &schema.Manifest{}
	if err := json.Unmarshal(raw, m); err != nil {
		p.t.Fatal(err)
	}
	return m
}

// invalid leaves an invalid index behind, as a build does that fails.
func (p *pair) invalid(name, table, column string) {
	p.t.Helper()
	c := p.connect(p.source)
	defer c.Close()
	if err := c.Exec(p.t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY "+name+" ON "+table+" ("+column+")"); pg.State(err) != "23505" {
		p.t.Fatalf("a unique index over equal values: %v", err)
	}
}

// TestSeedAsksForAcknowledgement: with something that the target will not have a job begins only when
// the operator has named the manifest, and nothing is touched before.
func TestSeedAsksForAcknowledgement(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE ward (id int PRIMARY KEY, name text); INSERT INTO ward VALUES (1, 'x'), (2, 'x')")
	p.invalid("ward_twice", "ward", "name")
	p.o.Until = "consistent"
	for _, word := range []string{"", "0123456789ab"} {
		p.o.Acknowledge = word
		if code, out := p.ends(); code != fault.Preflight || !strings.Contains(out, "invalid index public.ward_twice") || !strings.Contains(out, "manifest "+p.manifest().Digest+" is not acknowledged") {
			t.Fatalf("acknowledged %q: ended with %d:\n%s", word, code, out)
		}
	}
	if p.value(p.target, "SELECT to_regclass('replicator.job') IS NULL AND to_regclass('ward') IS NULL") != "t" ||
		p.value(p.source, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") != "0" {
		t.Error("a job that was refused has touched the databases")
	}
	first := p.manifest().Digest
	p.invalid("ward_again", "ward", "name")
	p.o.Acknowledge = first
	if code, out := p.ends(); code != fault.Preflight || !strings.Contains(out, "ward_again") {
		t.Fatalf("another loss, and the old word: ended with %d:\n%s", code, out)
	}
	p.o.Acknowledge = p.manifest().Digest
	if code, out := p.ends(); code != 0 || p.o.Acknowledge == first {
		t.Fatalf("acknowledged: ended with %d:\n%s", code, out)
	}
	p.o.Acknowledge = "" // said once
	if code, out := p.ends(); code != 0 {
		t.Fatalf("resumed: ended with %d:\n%s", code, out)
	}
}
