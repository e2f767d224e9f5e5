package target

import (
	"encoding/json"
	"fmt"
	"strings"

	"replicator/replicator/ddl"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// Anew is what goes from the target so that tables can be made anew. Names are qualified and quoted.
type Anew struct {
	Ordinals  []int    `json:"-"`         // of the tables, by which their receipts are found
	Tables    []string `json:"tables"`    // with those that are partitioned
	Views     []string `json:"views"`     // that will be made anew as well; any other that shows the tables is in the way
	Sequences []string `json:"sequences"` // likewise
	Steps     []string `json:"steps"`     // IDs of steps that have to run again
}

// AnewStep takes tables from the target with their receipts, and has the steps run again that make them.
// All of that is one step, and so happens once. Nothing is dropped by CASCADE: what depends on a table
// and will not be made anew is in the way, and makes the step fail with dependentObjects.
func AnewStep(job, id string, a Anew) (schema.Step, error) {
	for _, list := range []*[]string{&a.Tables, &a.Views, &a.Sequences, &a.Steps} {
		*list = append([]string{}, *list...) // null is no array
	}
	plan, err := json.Marshal(a)
	if err != nil {
		return schema.Step{}, fmt.Errorf("take tables from the target: %w", err)
	}
	ordinals := strings.Trim(strings.ReplaceAll(fmt.Sprint(a.Ordinals), " ", ","), "[]")
	sql := `SELECT pg_catalog.set_config('replicator.anew', ` + pg.Literal(string(plan)) + `, true);
DELETE FROM replicator.receipt WHERE job = ` + pg.Literal(job) + ` AND tbl IN (` + ordinals + `);
DO $forget$ BEGIN UPDATE replicator.ddl SET tbl = -1 WHERE job = ` + pg.Literal(job) + ` AND tbl IN (` + ordinals + `); EXCEPTION WHEN undefined_table THEN NULL; END $forget$;
DELETE FROM replicator.step WHERE job = ` + pg.Literal(job) + `
	AND step IN (SELECT pg_catalog.jsonb_array_elements_text(pg_catalog.current_setting('replicator.anew')::jsonb->'steps'));
` + ddl.TakeAway
	return schema.Step{ID: id, Kind: "RESYNC", Name: strings.Join(a.Tables, ", "), SQL: sql}, nil
}

// DependentObjects is the SQLSTATE of something that depends on a table and is in the way.
const DependentObjects = "2BP01"
