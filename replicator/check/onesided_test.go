package check

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/fault"
)

// findings are the questions of a report by ID and side.
func findings(r *Report) map[string]Level {
	m := map[string]Level{}
	for _, f := range r.Findings {
		m[f.ID+" "+string(f.Side)] = f.Level
	}
	return m
}

func runOn(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Where no machine reaches both databases, each is checked for itself: with the findings that it has
// when both are looked at, and what takes both is named.
func TestOneSide(t *testing.T) {
	t.Parallel()
	c := own(t, cluster.Config{Settings: map[string]string{"wal_level": "replica"}}) // something to find on the source
	source, target := c.DSN(database(t, c)), c.DSN(database(t, c))
	execute(t, source, `CREATE ROLE clerk; CREATE TABLE ward (id int PRIMARY KEY, fee money); ALTER TABLE ward OWNER TO clerk;
		ALTER TABLE ward ENABLE ROW LEVEL SECURITY; CREATE TABLE keyless (x int)`)
	execute(t, target, `CREATE TABLE ward (id int)`) // and one that takes both

	both := runOn(t, Options{Source: source, Target: target})
	here, there := runOn(t, Options{Source: source}), runOn(t, Options{Target: target})
	if both.Unchecked != nil {
		t.Errorf("with both sides unchecked: %q", both.Unchecked)
	}
	all, alone := findings(both), findings(here)
	maps.Copy(alone, findings(there))
	for id, level := range alone {
		if all[id] != level {
			t.Errorf("%s is %q alone and %q with both", id, level, all[id])
		}
	}
	for _, want := range []string{"wal-level source", "no-identity source", "create target", "connections target"} {
		if _, found := alone[want]; !found {
			t.Errorf("%s is not found by either side alone", want)
		}
	}
	if _, found := alone["empty target"]; found || all["empty target"] != Must {
		t.Errorf("empty: %q with both, alone %v", all["empty target"], found)
	}
	for _, takesBoth := range []string{"roles", "target empty", "encoding"} {
		if !slices.Contains(here.Unchecked, takesBoth) || !slices.Contains(there.Unchecked, takesBoth) {
			t.Errorf("%s is not named as unchecked: %q, %q", takesBoth, here.Unchecked, there.Unchecked)
		}
	}
	if len(here.Plan.Tables) != 2 || len(there.Plan.Tables) != 0 {
		t.Errorf("plans of %d and %d tables, want 2 and 0", len(here.Plan.Tables), len(there.Plan.Tables))
	}
	if !here.MustFix() || there.MustFix() {
		t.Errorf("must fix: source %v, target %v", here.MustFix(), there.MustFix())
	}
}

func TestOneSideSaysSo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		r         Report
		want, not string
	}{
		{Report{Source: Server{Version: 150018}, Unchecked: []string{"roles"}}, "--target", "target  PostgreSQL"},
		{Report{Target: Server{Version: 150018}, Unchecked: []string{"roles"}}, "--source", "TABLE"},
	} {
		var b strings.Builder
		if err := tt.r.WriteText(&b, false); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{tt.want, "not looked at", "Not checked: roles"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in\n%s", want, b.String())
			}
		}
		if strings.Contains(b.String(), tt.not) {
			t.Errorf("%q in\n%s", tt.not, b.String())
		}
	}
}

func TestNoSide(t *testing.T) {
	t.Parallel()
	if _, err := Run(t.Context(), Options{}); fault.CodeOf(err) != fault.Usage {
		t.Errorf("got %v, want a usage error", err)
	}
}
