package ddl

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"replicator/chunker"
)

func text(s string) *string { return &s }

// TestDerive holds a table against what statements have made of it.
func TestDerive(t *testing.T) {
	plan := chunker.Table{Schema: "h", Name: "t", Identity: chunker.IdentityKey, Key: []string{"id"}, Columns: []chunker.Column{
		{Name: "id", Type: "bigint", OID: 20, Num: 1, NotNull: true}, {Name: "a", Type: "integer", OID: 23, Num: 2}, {Name: "b", Type: "h.mood", OID: 20000, Num: 3},
	}}
	for _, tc := range []struct {
		what    string
		make    func(s *State)
		rewrite *Rewrite
		want    string // actions, or the refusal's begin
		refused bool
	}{
		{what: "nothing", make: func(*State) {}},
		{what: "a value", make: func(s *State) {
			s.Columns = append(s.Columns, Column{Num: 4, Name: "c", Type: "text", OID: 25, Filled: true, Fill: text("it's"), Default: text("f()"), NotNull: true})
		}, want: `ADD COLUMN "c" text DEFAULT 'it''s'::text NOT NULL`},
		{what: "one name, another column", make: func(s *State) { s.Columns[1].Num = 4 }, want: `DROP COLUMN "a"; ADD COLUMN "a" integer`},
		{what: "renamed", make: func(s *State) { s.Columns[1].Name = "x" }, want: `RENAME COLUMN "a" TO "x"`},
		{what: "a fill that is not known", make: func(s *State) {
			s.Columns = append(s.Columns, Column{Num: 4, Name: "c", Type: "box", OID: 603, Filled: true})
		}, want: "ADD COLUMN c with a default that cannot be told", refused: true},
		{what: "type", make: func(s *State) { s.Columns[1].Type, s.Columns[1].OID = "bigint", 20 },
			rewrite: &Rewrite{Reason: columnRewrite, Plain: true}, want: `ALTER COLUMN "a" TYPE bigint`},
		{what: "USING", make: func(s *State) { s.Columns[1].Type, s.Columns[1].OID = "bigint", 20 },
			rewrite: &Rewrite{Reason: columnRewrite}, want: "ALTER COLUMN TYPE, with USING", refused: true},
		{what: "USING, the type as it was", make: func(*State) {}, rewrite: &Rewrite{Reason: columnRewrite, Plain: true}, want: "ALTER COLUMN TYPE ... with the type as it was", refused: true},
		{what: "volatile default", make: func(s *State) {
			s.Columns = append(s.Columns, Column{Num: 4, Name: "c", Type: "text", OID: 25, Default: text("f()")})
		}, rewrite: &Rewrite{Reason: 2, Plain: true}, want: "ADD COLUMN c with a default that was computed", refused: true},
		{what: "a type of its own", make: func(s *State) { s.Columns[2].Type, s.Columns[2].OID = "text", 25 }, want: "ALTER COLUMN TYPE b", refused: true},
		{what: "in a tree", make: func(s *State) { s.Tree, s.Columns = true, s.Columns[:2] }, want: "DROP COLUMN b, in a tree", refused: true},
		{what: "another key", make: func(s *State) { s.Key = []string{"a"} }, want: "REPLICA IDENTITY", refused: true},
		{what: "renamed table", make: func(s *State) { s.Name = "u" }, want: `RENAME TO "u"`},
		{what: "another schema, name and column", make: func(s *State) { s.Schema, s.Name, s.Columns[1].Name = "g", "u", "x" },
			want: `SET SCHEMA "g"; ALTER TABLE "g"."t" RENAME TO "u"; RENAME COLUMN "a" TO "x"`},
		{what: "renamed heir", make: func(s *State) { s.Name, s.Tree = "u", true }, want: "RENAME TO u, in a tree", refused: true},
		{what: "renamed partition", make: func(s *State) { s.Name, s.Tree, s.Parent = "u", true, &Name{Schema: "h", Name: "r"} }, want: `RENAME TO "u"`},
	} {
		s := &State{Schema: "h", Name: "t", Persistence: "p", Identity: "d", Key: []string{"id"}}
		for _, c := range plan.Columns {
			s.Columns = append(s.Columns, Column{Num: c.Num, Name: c.Name, Type: c.Type, OID: c.OID, NotNull: c.NotNull})
		}
		tc.make(s)
		change, err := Derive(&plan, s, tc.rewrite)
		if tc.refused {
			if refusal := (*Refusal)(nil); !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Why, tc.want) {
				t.Errorf("%s: %v", tc.what, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.what, err)
			continue
		}
		if have := strings.ReplaceAll(strings.Join(slices.Concat(change.Naming, change.Actions), "; "), `ALTER TABLE "h"."t" `, ""); have != tc.want {
			t.Errorf("%s: %s", tc.what, have)
		}
	}
}

// TestEnumAdd adds labels in their places, and leaves an enum alone that lost one.
func TestEnumAdd(t *testing.T) {
	e := &Enum{Schema: "h", Name: "m", Labels: []string{"z", "a", "b", "c"}}
	want := []string{`ALTER TYPE "h"."m" ADD VALUE 'z' BEFORE 'a'`, `ALTER TYPE "h"."m" ADD VALUE 'b' AFTER 'a'`}
	if have := e.Add([]string{"a", "c"}); !slices.Equal(have, want) {
		t.Errorf("%q", have)
	}
	if have := e.Add([]string{"a", "gone"}); have != nil {
		t.Errorf("%q", have)
	}
}
