package schema

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Difference is an object that is not the same on both sides. Source and Target are its SQL, ""
// where it is missing; they may hold constants of the schema's author.
type Difference struct {
	Type   string `json:"type"`
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
	Source string `json:"source,omitempty"`
	Target string `json:"target,omitempty"`
}

// String says what differs without showing the SQL.
func (d Difference) String() string {
	what := "differs"
	switch {
	case d.Target == "":
		what = "is missing on the target"
	case d.Source == "":
		what = "is on the target only"
	}
	name := d.Name
	if d.Schema != "" {
		name = d.Schema + "." + d.Name
	}
	return fmt.Sprintf("%s %s %s", d.Type, name, what)
}

// Compare dumps both sides and holds object against object: owner, tablespace and definition.
// Ignored are what a server keeps for itself (OIDs, pg_attver), the order of objects and of the
// statements in a grant. Both need a pg_dump that can read them.
func Compare(ctx context.Context, sourceDSN, targetDSN string, sel Selection) ([]Difference, error) {
	source, err := definitions(ctx, sourceDSN, sel)
	if err != nil {
		return nil, fmt.Errorf("dump source: %w", err)
	}
	target, err := definitions(ctx, targetDSN, sel)
	if err != nil {
		return nil, fmt.Errorf("dump target: %w", err)
	}
	var diffs []Difference
	for key, sql := range source {
		if target[key] != sql {
			diffs = append(diffs, key.difference(sql, target[key]))
		}
	}
	for key, sql := range target {
		if _, both := source[key]; !both {
			diffs = append(diffs, key.difference("", sql))
		}
	}
	slices.SortFunc(diffs, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	return diffs, nil
}

// definitionKey names an object on either side. Default privileges have one name for all owners.
type definitionKey struct{ kind, schema, name, role string }

func (k definitionKey) difference(source, target string) Difference {
	name := k.name
	if k.role != "" {
		name += " of " + k.role
	}
	return Difference{Type: k.kind, Schema: k.schema, Name: name, Source: source, Target: target}
}

// definitions is a database's schema by object.
func definitions(ctx context.Context, dsn string, sel Selection) (map[definitionKey]string, error) {
	dir, err := os.MkdirTemp("", "replicator-compare-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "schema")
	tools, err := Dump(ctx, DumpConfig{DSN: dsn, File: archive, Selection: sel})
	if err != nil {
		return nil, err
	}
	entries, err := Entries(ctx, tools.Restore, archive)
	if err != nil {
		return nil, err
	}
	all := make(map[definitionKey]string, len(entries))
	for i := range entries {
		e := &entries[i]
		key := definitionKey{kind: e.Type, schema: e.Schema, name: e.Name}
		if e.Type == "DEFAULT ACL" {
			key.role = e.Owner
		}
		all[key] += normal(e)
	}
	return all, nil
}

// placed are the kinds that lie in a tablespace. For others the setting is left over from before.
var placed = []string{"TABLE", "MATERIALIZED VIEW", "INDEX", "CONSTRAINT"}

// normal is an entry's SQL with what belongs to it.
func normal(e *Entry) string {
	sql := e.SQL
	if strings.HasSuffix(e.Type, "ACL") {
		said := statements(sql)
		slices.Sort(said)
		sql = strings.Join(said, ";\n")
	}
	if slices.Contains(placed, e.Type) {
		method := e.Settings[setAccessMethod]
		if strings.Contains(sql, "\nPARTITION BY ") {
			method = "" // it has none: what is set is the table's before it
		}
		sql += fmt.Sprintf("\n-- tablespace %q, access method %s", e.Settings[setTablespace], method)
	}
	return sql + "\n-- owner " + e.Owner + "\n"
}
