package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"replicator/chunker"
	"replicator/replicator/schema"
)

// stages names where each step of a plan is.
func stages(w *schema.Work) map[string]string {
	at := map[string]string{}
	put := func(stage string, steps []schema.Step) {
		for i := range steps {
			at[steps[i].ID] = stage
		}
	}
	put("pre", w.Pre)
	put("constraints", w.Constraints)
	put("foreign", w.Foreign)
	put("validate", w.Validate)
	put("finish", w.Finish)
	for stage, byTable := range map[string]map[int][]schema.Step{"table": w.Table, "unique": w.Unique, "late": w.Late} {
		for _, steps := range byTable {
			put(stage, steps)
		}
	}
	return at
}

func TestPlanStages(t *testing.T) {
	tables, work := plan(t, nasty(t), schema.Selection{})
	at := stages(work)
	for id, want := range map[string]string{
		"TABLE emr.patient":                                      "pre",
		"STATISTICS emr.patient_stats":                           "pre",
		"IDENTITY BY DEFAULT emr.patient.id":                     "pre",
		"IDENTITY BY DEFAULT emr.counted.id":                     "pre",
		"IDENTITY ALWAYS emr.patient.id":                         "finish",
		`ACL SCHEMA "emr"`:                                       "pre",
		"CONSTRAINT INDEX emr.patient patient_pkey":              "table",
		"CONSTRAINT emr.patient patient_pkey":                    "constraints",
		`COMMENT emr.CONSTRAINT "patient_pkey" ON "patient"`:     "constraints",
		"CONSTRAINT INDEX emr.patient Patient MRN":               "unique",
		"CONSTRAINT emr.patient Patient MRN":                     "constraints",
		"INDEX emr.patient_name":                                 "table",
		"INDEX emr.patient_extra":                                "table",
		"INDEX emr.patient;odd":                                  "unique",
		`COMMENT emr.INDEX "patient;odd"`:                        "constraints",
		"INDEX emr.ident_b":                                      "table",
		"CONSTRAINT INDEX emr.ident_full ident_full_pkey":        "unique",
		"CONSTRAINT emr.room_use no_overlap":                     "unique",
		`COMMENT emr.CONSTRAINT "no_overlap" ON "room_use"`:      "constraints",
		"INDEX emr.obs_patient":                                  "constraints",
		"INDEX emr.obs 2026 red_patient_idx":                     "table",
		"INDEX emr.obs_red_only":                                 "table",
		"CHECK CONSTRAINT emr.team team_check":                   "finish",
		"FK CONSTRAINT emr.team team_lead":                       "foreign",
		"VALIDATE emr.team team_lead":                            "validate",
		`COMMENT emr.CONSTRAINT "team_lead" ON "team"`:           "foreign",
		"FK CONSTRAINT emr.team team_unsure":                     "foreign",
		"VALIDATE emr.team team_unsure":                          "",
		"FK CONSTRAINT emr.obs obs_patient_fkey":                 "foreign",
		"VALIDATE emr.obs obs_patient_fkey":                      "",
		"FK CONSTRAINT emr.obs_note obs_note_id_taken_kind_fkey": "foreign",
		"FK CONSTRAINT emr.audit audit_who_fkey":                 "finish",
		"INDEX emr.audit_at":                                     "late",
		"CONSTRAINT emr.cache cache_pkey":                        "late",
		"CONSTRAINT emr.cache cache_v_key":                       "late",
		"CONSTRAINT emr.deferred_key deferred_key_pkey":          "late",
		"CONSTRAINT emr.mixed mixed_pkey":                        "constraints",
		"CONSTRAINT emr.mixed_2 mixed_2_pkey":                    "late",
		"INDEX ATTACH emr.mixed_1_pkey":                          "constraints",
		"INDEX ATTACH emr.mixed_2_pkey":                          "finish",
		"FK CONSTRAINT emr.to_mixed to_mixed_k_fkey":             "finish",
		"RULE emr.by_patient _RETURN":                            "constraints",
		"INDEX emr.mixed_2_k_idx":                                "late",
		"RULE emr.written ignore":                                "finish",
		"TRIGGER emr.ident t_always":                             "finish",
		"POLICY emr.patient mine":                                "finish",
		"ROW SECURITY emr.patient":                               "finish",
		"REFRESH emr.z_first":                                    "finish",
		"REFRESH emr.empty_one":                                  "",
		"INDEX emr.z_first_id":                                   "finish",
		`ACL emr.TABLE "patient"`:                                "constraints",
		`ACL emr.FUNCTION "fake"()`:                              "finish",
		"MATERIALIZED VIEW emr.by_key":                           "constraints",
	} {
		if got := at[id]; got != want {
			t.Errorf("%s: in %q, want %q", id, got, want)
		}
	}
	for i := range tables {
		if key := tables[i].KeyIndex; key != "" && !tables[i].Late() && !strings.HasSuffix(work.Table[i][0].Name, "."+key) {
			t.Errorf("%s: first comes %s", &tables[i], work.Table[i][0].Name)
		}
	}
	before(t, work.Finish, "REFRESH emr.z_first", "REFRESH emr.a_second")
	before(t, work.Finish, "REFRESH emr.a_second", "INDEX emr.z_first_id")
	before(t, work.Finish, "INDEX ATTACH emr.mixed_2_pkey", "FK CONSTRAINT emr.to_mixed to_mixed_k_fkey")
	before(t, work.Pre, `ACL SCHEMA "emr"`, "TABLE emr.patient")
	before(t, work.Constraints, `ACL emr.TABLE "patient"`, "DEFAULT ACL nasty-owner emr.DEFAULT PRIVILEGES FOR TABLES")
}

func before(t *testing.T, steps []schema.Step, first, second string) {
	t.Helper()
	index := func(id string) int {
		return slices.IndexFunc(steps, func(s schema.Step) bool { return s.ID == id })
	}
	if a, b := index(first), index(second); a < 0 || b < 0 || a > b {
		t.Errorf("%s is at %d, %s at %d", first, a, second, b)
	}
}

// TestScanning: a foreign key that looks at rows as it is added holds up no other, and its comment comes behind it.
func TestScanning(t *testing.T) {
	t.Parallel()
	source := database(t, server)
	execute(t, connect(t, source), `CREATE SCHEMA h; CREATE TABLE h.ward (id int PRIMARY KEY); CREATE TABLE h.nurse (id int PRIMARY KEY, ward int REFERENCES h.ward);
		CREATE TABLE h.stay (at int PRIMARY KEY, ward int REFERENCES h.ward) PARTITION BY LIST (at); CREATE TABLE h.stay_1 PARTITION OF h.stay FOR VALUES IN (1);
		COMMENT ON CONSTRAINT stay_ward_fkey ON h.stay IS 'where'`)
	_, work := plan(t, source, schema.Selection{})
	ids := func(steps []schema.Step) (list []string) {
		for _, s := range steps {
			list = append(list, s.ID)
		}
		return list
	}
	quick, scanning := schema.Scanning(work.Foreign)
	if got := ids(quick); !slices.Equal(got, []string{"FK CONSTRAINT h.nurse nurse_ward_fkey"}) || !strings.Contains(quick[0].SQL, "NOT VALID") {
		t.Errorf("%q look at no row", got)
	}
	if got := ids(scanning); len(got) != 2 || got[0] != "FK CONSTRAINT h.stay stay_ward_fkey" || !strings.HasPrefix(got[1], "COMMENT ") {
		t.Errorf("%q look at rows, or follow on one that does", got)
	}
}

// TestPlanIsStable: a plan that is made again has the same steps, whatever the dump IDs.
func TestPlanIsStable(t *testing.T) {
	_, one := plan(t, nasty(t), schema.Selection{})
	conn := connect(t, nasty(t))
	execute(t, conn, `CREATE TABLE public.aaa (a int); DROP TABLE public.aaa`)
	_, two := plan(t, nasty(t), schema.Selection{})
	if a, b := fmt.Sprint(stages(one)), fmt.Sprint(stages(two)); a != b {
		t.Errorf("the plan changed:\n%s\n%s", a, b)
	}
}

// TestPlanOfSome moves one schema's worth of tables by -t, which leaves schemas out of the dump,
// then tables that were made later, one of them a partition of a table that has rows.
func TestPlanOfSome(t *testing.T) {
	t.Parallel()
	source, target := database(t, server), database(t, server)
	conn := connect(t, source)
	execute(t, conn, `CREATE SCHEMA part; CREATE TABLE part.root (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
		CREATE INDEX ON part.root (k); CREATE TABLE part.one PARTITION OF part.root FOR VALUES IN (1);
		INSERT INTO part.root VALUES (1, 1), (2, 1); CREATE TABLE public.other (a int)`)
	sel := schema.Selection{Tables: []string{"part.*"}}
	tables, work := plan(t, source, sel)
	m := newMover(t, source, target)
	m.all(tables, work)

	execute(t, conn, `CREATE TABLE part.two PARTITION OF part.root FOR VALUES IN (2); INSERT INTO part.root VALUES (1, 2);
		CREATE TABLE part.three (a serial PRIMARY KEY, b int UNIQUE CHECK (b > 0), FOREIGN KEY (a, b) REFERENCES part.root);
		ALTER TABLE part.three ADD CHECK (a > 0) NOT VALID; GRANT SELECT ON part.three TO PUBLIC; COMMENT ON INDEX part.three_pkey IS 'key'`)
	tables, err := schema.Tables(t.Context(), conn, schema.Selection{Tables: []string{"part.two", "part.three"}})
	check(t, err)
	for i := range tables {
		tables[i].Identity = "none"
	}
	work = planOf(t, source, schema.Only(tables, nil), tables, 15)
	if n := len(work.Table) + len(work.Unique) + len(work.Constraints) + len(work.Foreign) + len(work.Validate); n != 0 {
		t.Errorf("%d steps of late tables are not at the fence", n)
	}
	m.seen = map[string]bool{"SCHEMA part": true}
	work.Pre = slices.DeleteFunc(work.Pre, func(s schema.Step) bool { return m.seen[s.ID] })
	m.all(tables, work)
	diffs, err := schema.Compare(t.Context(), source, target, sel)
	check(t, err)
	if len(diffs) != 0 {
		t.Errorf("differences: %v", diffs)
	}
}

// TestPlanOfNewer has what pg_dump says from 18 on, and what no dump can bring back.
func TestPlanOfNewer(t *testing.T) {
	const notNull, rule = `ALTER TABLE public.t
    ADD CONSTRAINT t_a_not_null NOT NULL a NOT VALID;`, `CREATE RULE "_RETURN" AS
    ON INSERT TO public.t DO INSTEAD NOTHING;`
	work, err := schema.Plan([]schema.Entry{
		{ID: 1, Type: "TABLE", OID: 20000, Schema: "public", Name: "t", SQL: "CREATE TABLE public.t (a integer);"},
		{ID: 2, Type: "CONSTRAINT", OID: 20001, Schema: "public", Name: "t t_a_not_null", SQL: notNull, Depends: []int{1}},
		{ID: 3, Type: "RULE", OID: 20002, Schema: "public", Name: "t _RETURN", SQL: rule, Depends: []int{1}},
	}, []chunker.Table{{OID: 20000, Schema: "public", Name: "t"}}, &schema.Facts{
		Constraints: map[uint32]schema.Constraint{20001: {Table: 20000, Kind: "n", Name: "t_a_not_null"}},
	})
	check(t, err)
	if len(work.Finish) != 2 || work.Finish[0].SQL != notNull || work.Finish[0].Undo != "ALTER TABLE public.t DROP CONSTRAINT IF EXISTS t_a_not_null;" {
		t.Errorf("a NOT NULL that is not valid does not wait for all rows: %+v", work)
	}
	if !slices.Contains(work.Finish[len(work.Finish)-1].Tolerate, "42P17") {
		t.Errorf("a rule with a view's name stops the move")
	}
}
