package schema

import (
	"strings"
	"testing"

	"replicator/replicator/pg"
)

// TestNoPasswordInArguments looks at the process that would be started.
func TestNoPasswordInArguments(t *testing.T) {
	env, arg, err := environ("postgres://u:secret@127.0.0.1:1/d?keepalives=1", nil, dumpSettings)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(arg, "secret") {
		t.Error("the password is in the arguments")
	}
	found := false
	for _, v := range env {
		found = found || v == "PGPASSWORD=secret"
	}
	if !found {
		t.Error("the password is not in the environment")
	}
}

func TestUndo(t *testing.T) {
	for _, tc := range []struct{ kind, sql, want string }{
		{"TRIGGER", `CREATE TRIGGER "a ON ""b" BEFORE UPDATE OF "ON" ON "s"."t x" FOR EACH ROW EXECUTE FUNCTION "f"()`,
			`DROP TRIGGER IF EXISTS "a ON ""b" ON "s"."t x";`},
		{"TRIGGER", `CREATE CONSTRAINT TRIGGER "a" AFTER INSERT ON "s"."t" DEFERRABLE`, `DROP TRIGGER IF EXISTS "a" ON "s"."t";`},
		{"TRIGGER", `ALTER TABLE "s"."t" DISABLE TRIGGER "a b"`, `ALTER TABLE "s"."t" ENABLE TRIGGER "a b";`},
		{"RULE", "CREATE RULE \"TO\" AS\n    ON INSERT TO \"s\".\"t\" DO INSTEAD NOTHING", `DROP RULE IF EXISTS "TO" ON "s"."t";`},
		{"POLICY", `CREATE POLICY "p" ON "s"."t" FOR SELECT TO "r"`, `DROP POLICY IF EXISTS "p" ON "s"."t";`},
		{"ROW SECURITY", `ALTER TABLE "s"."t" ENABLE ROW LEVEL SECURITY`, `ALTER TABLE "s"."t" DISABLE ROW LEVEL SECURITY;`},
		{"INDEX", `CREATE UNIQUE INDEX "i j" ON "s.x"."t" USING "btree" ("a")`, `DROP INDEX IF EXISTS "s.x"."i j";`},
		{"FK CONSTRAINT", "ALTER TABLE ONLY \"s\".\"t\"\n    ADD CONSTRAINT \"f k\" FOREIGN KEY (\"a\")",
			`ALTER TABLE ONLY "s"."t" DROP CONSTRAINT IF EXISTS "f k";`},
		{"EVENT TRIGGER", `CREATE EVENT TRIGGER "e" ON ddl_command_end`, `DROP EVENT TRIGGER IF EXISTS "e";`},
		{"ACL", `REVOKE ALL ON FUNCTION "s"."f"("a" integer) FROM PUBLIC; GRANT ALL ON FUNCTION x TO y`,
			`GRANT EXECUTE ON FUNCTION "s"."f"("a" integer) TO PUBLIC;`},
		{"ACL", `GRANT SELECT ON TABLE x TO y`, again},
		{"VIEW", `CREATE VIEW`, ""},
	} {
		if got := undo(&Entry{Type: tc.kind, SQL: tc.sql}); got != tc.want {
			t.Errorf("%s:\nhave %s\nwant %s", tc.sql, got, tc.want)
		}
	}
}

func TestIdentQuotesExactly(t *testing.T) {
	p, err := parseRelation(pg.Ident(`a.b"c*`, "D[]$"))
	if err != nil || p.schema != `^(a\.b"c\*)$` || p.name != `^(D\[\]\$)$` {
		t.Errorf("%+v, %v", p, err)
	}
}
