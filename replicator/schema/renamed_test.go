package schema

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"replicator/chunker"
	"replicator/replicator/ddl"
)

// TestFollowing puts new names into what waits for the fence, and leaves functions, columns and strings of the
// same names alone.
func TestFollowing(t *testing.T) {
	list := []Renamed{{ddl.Name{Schema: "h", Name: "a"}, ddl.Name{Schema: "h", Name: "b"}}, {ddl.Name{Schema: "h", Name: "b"}, ddl.Name{Schema: "g", Name: `a"`}}}
	for _, tc := range []struct{ kind, was, want string }{
		{"TRIGGER", `CREATE TRIGGER a BEFORE UPDATE ON "h"."a" FOR EACH ROW WHEN (old.a <> 'h.a') EXECUTE FUNCTION h.a('h.a')`,
			`CREATE TRIGGER a BEFORE UPDATE ON "h"."b" FOR EACH ROW WHEN (old.a <> 'h.a') EXECUTE FUNCTION h.a('h.a')`},
		{"FK CONSTRAINT", `ALTER TABLE ONLY h.b ADD CONSTRAINT a FOREIGN KEY (a) REFERENCES "h"."a"("a")`,
			`ALTER TABLE ONLY "g"."a""" ADD CONSTRAINT a FOREIGN KEY (a) REFERENCES "h"."b"("a")`},
		{"RULE", `CREATE RULE r AS ON DELETE TO "h"."a" DO INSTEAD NOTHING`, `CREATE RULE r AS ON DELETE TO "h"."a" DO INSTEAD NOTHING`},
	} {
		steps := []Step{{ID: "1", Kind: tc.kind, Name: "h.a x", Table: "h.a", SQL: tc.was}}
		have := Following(steps, list)[0]
		if have.SQL != tc.want || have.ID != "1" || have.Name != "h.b x" || have.Table != "h.b" || steps[0].SQL != tc.was {
			t.Errorf("%s: %+v", tc.kind, have)
		}
		ruled := Ruled(steps, []chunker.Table{{Schema: "h", Name: "z"}, {Schema: "h", Name: "a"}})
		if all, others := Pinning(steps, nil), Pinning(steps, ruled); all["h.a"] != (tc.kind == "RULE") || others["h.a"] {
			t.Errorf("%s: pins %v, and without ruled tables %v", tc.kind, all, others)
		}
	}
}

// TestBaselineRename has tables exchange their names: nothing has changed. A view that shows the other one
// now has, and so has a comment.
func TestBaselineRename(t *testing.T) {
	dump := func(a, b, view, said string) []Entry {
		return []Entry{
			{ID: 1, Type: "TABLE", Schema: "h", Name: a, SQL: `CREATE TABLE "h"."` + a + `" (i int);` + "\n\nALTER TABLE h." + a + " OWNER TO x;\n"},
			{ID: 2, Type: "TABLE", Schema: "h", Name: b, SQL: `CREATE TABLE "h"."` + b + `" (j int);`},
			{ID: 3, Type: "CONSTRAINT", Schema: "h", Name: a + " k", Depends: []int{1}, SQL: `ALTER TABLE ONLY "h"."` + a + `" ADD CONSTRAINT "k" UNIQUE (i);`},
			{ID: 4, Type: "COMMENT", Schema: "h", Name: `COLUMN "` + a + `"."i"`, Depends: []int{1}, SQL: `COMMENT ON COLUMN "h"."` + a + `"."i" IS '` + said + `';`},
			{ID: 5, Type: "VIEW", Schema: "h", Name: "v", Depends: []int{1}, SQL: `CREATE VIEW "h"."v" AS SELECT 1 FROM "h"."` + view + `";`},
		}
	}
	then := NewBaseline(dump("a", "b", "a", "it"), AsIs)
	then.Rename(ddl.Name{Schema: "h", Name: "a"}, ddl.Name{Schema: "h", Name: "tmp"})
	then.Rename(ddl.Name{Schema: "h", Name: "b"}, ddl.Name{Schema: "h", Name: "a"})
	then.Rename(ddl.Name{Schema: "h", Name: "tmp"}, ddl.Name{Schema: "h", Name: "b"})
	spelled := Spelled([]Renamed{{ddl.Name{Schema: "h", Name: "a"}, ddl.Name{Schema: "h", Name: "b"}}, {ddl.Name{Schema: "h", Name: "b"}, ddl.Name{Schema: "h", Name: "a"}}})
	none := func(string) bool { return false }
	if items := NewBaseline(dump("b", "a", "b", "it"), spelled).Since(then, none); len(items) != 0 {
		t.Errorf("nothing has changed, but %v", items)
	}
	items := NewBaseline(dump("b", "a", "a", "that"), spelled).Since(then, none)
	if len(items) != 2 {
		t.Errorf("a view and a comment have changed, but %v", items)
	}
}

// TestWithout leaves out what is of a table or view that is gone, and keys that point to it, and nothing else.
func TestWithout(t *testing.T) {
	steps := []Step{
		{Kind: "FK CONSTRAINT", Name: "h.b k", SQL: `ALTER TABLE ONLY "h"."b" ADD CONSTRAINT "k" FOREIGN KEY (a) REFERENCES "h"."a"("i")`},
		{Kind: KindValidate, Name: "h.b k"},
		{Kind: "TRIGGER", Name: "h.a t"}, {Kind: KindIdentity, Name: "h.a.i", Table: "h.a"}, {Kind: KindRefresh, Name: "h.m"},
		{Kind: "INDEX", Name: "h.i", SQL: `CREATE INDEX "i" ON "h"."m" USING btree (n)`},
		{Kind: "FK CONSTRAINT", Name: "h.b l", SQL: `ALTER TABLE ONLY "h"."b" ADD CONSTRAINT "l" FOREIGN KEY (a) REFERENCES "h"."aa"("i")`},
		{Kind: KindValidate, Name: "h.b l"}, {Kind: "TRIGGER", Name: "h.aa t", SQL: `CREATE TRIGGER t ... EXECUTE FUNCTION h.a()`},
	}
	var left []string
	for _, s := range Without(steps, []ddl.Name{{Schema: "h", Name: "a"}, {Schema: "h", Name: "m"}}) {
		left = append(left, s.Kind+" "+s.Name)
	}
	if have := strings.Join(left, ", "); have != "FK CONSTRAINT h.b l, VALIDATE h.b l, TRIGGER h.aa t" {
		t.Errorf("left are %s", have)
	}
}

// TestBaselineForget forgets a table, a view and a key, and what was said of them.
func TestBaselineForget(t *testing.T) {
	b := NewBaseline([]Entry{
		{ID: 1, Type: "TABLE", Schema: "h", Name: "a"}, {ID: 2, Type: "TABLE", Schema: "h", Name: "ab"},
		{ID: 3, Type: "COMMENT", Schema: "h", Name: `TABLE "a"`, Depends: []int{1}}, {ID: 4, Type: "COMMENT", Schema: "h", Name: `TABLE "ab"`, Depends: []int{2}},
		{ID: 5, Type: "VIEW", Schema: "h", Name: "v", Depends: []int{1}}, {ID: 6, Type: "ACL", Schema: "h", Name: `TABLE "v"`, Depends: []int{5}},
		{ID: 7, Type: "FK CONSTRAINT", Schema: "h", Name: "ab k", Depends: []int{2, 1}}, {ID: 8, Type: "CONSTRAINT", Schema: "h", Name: "ab p", Depends: []int{2}},
	}, AsIs)
	b.Forget(&ddl.Object{Kind: "table", Schema: "h", Name: "a"})
	b.Forget(&ddl.Object{Kind: "view", Schema: "h", Name: "v"})
	b.Forget(&ddl.Object{Kind: "table constraint", Schema: "h", Name: "ab", Part: "k"})
	if have := strings.Join(slices.Sorted(maps.Keys(b)), ", "); have != `comment h.TABLE "ab", constraint h.ab p, table h.ab` {
		t.Errorf("left are %s", have)
	}
}
