package schema

import (
	"testing"

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
		if have.SQL != tc.want || have.ID != "1" || tc.kind != "RULE" && (have.Name != "h.b x" || have.Table != "h.b") || steps[0].SQL != tc.was {
			t.Errorf("%s: %+v", tc.kind, have)
		}
		if Pinning(steps)["h.a"] != (tc.kind == "RULE") {
			t.Errorf("%s: pins %v", tc.kind, Pinning(steps))
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
