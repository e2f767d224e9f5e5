package check

import (
	"context"
	"fmt"

	"replicator/replicator/schema"
)

// objects: what moves otherwise than rows do, or not at all.
func (r *run) objects(ctx context.Context) error {
	found, err := r.relations(ctx)
	if err != nil {
		return err
	}
	rows, err := r.inScope(ctx, objectsSQL)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row[0] != "publication" || row[1] != r.o.Publication {
			found[row[0]] = append(found[row[0]], row[1])
		}
	}
	for _, k := range objectKinds {
		names := found[k.kind]
		if len(names) == 0 {
			continue
		}
		r.add(Finding{ID: k.kind, Level: k.level, Side: Source, Subject: k.subject, Names: names,
			Text: fmt.Sprintf("%d, %s: %s", len(names), k.text, few(names))})
	}
	return nil
}

// relations asks for the selected relations that are no tables.
func (r *run) relations(ctx context.Context) (map[string][]string, error) {
	found := map[string][]string{}
	foreign, err := schema.ForeignTables(ctx, r.src.conn, r.o.Select)
	if err != nil {
		return nil, r.src.failed(err)
	}
	for _, f := range foreign {
		found["foreign"] = append(found["foreign"], f.String())
	}
	partitioned, err := schema.PartitionedTables(ctx, r.src.conn, r.o.Select)
	if err != nil {
		return nil, r.src.failed(err)
	}
	for _, p := range partitioned {
		found["partitioned"] = append(found["partitioned"], p.String())
	}
	views, err := schema.MaterializedViews(ctx, r.src.conn, r.o.Select)
	if err != nil {
		return nil, r.src.failed(err)
	}
	for _, v := range views {
		kind := "matview"
		if !v.Populated {
			kind = "unpopulated"
		}
		found[kind] = append(found[kind], v.String())
	}
	return found, nil
}

// objectsSQL names what the selection has no say in; of columns, the tables that have them.
const objectsSQL = `SELECT DISTINCT kind, name FROM (
		SELECT 'publication' AS kind, pubname::text AS name FROM pg_publication WHERE $2::oid[] IS NOT NULL
		UNION ALL
		SELECT 'subscription', subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
		UNION ALL
		SELECT CASE WHEN a.attgenerated <> '' THEN 'generated' ELSE 'identity-columns' END, ` + qualified + `
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE a.attrelid = ANY ($1::oid[]) AND (a.attgenerated <> '' OR a.attidentity <> '') AND a.attnum > 0
	) AS o ORDER BY kind, name`

// objectKinds says what becomes of each kind.
var objectKinds = []struct {
	kind    string
	level   Level
	subject string
	text    string
}{
	{"partitioned", OK, "partitioned tables", "moved partition by partition"},
	{"generated", OK, "tables with generated columns", "computed anew on the target"},
	{"identity-columns", OK, "tables with identity columns", "values move as they are"},
	{"matview", Note, "materialized views", "refreshed at catch-up: one that is stale on the source will show newer rows"},
	{"unpopulated", Note, "materialized views", "not populated on the source, and left so"},
	{"foreign", Note, "foreign tables", "only their definition moves, not the rows behind them; user mappings hold passwords"},
	{"publication", Note, "publications", "not carried: make them on the target after the move"},
	{"subscription", Note, "subscriptions", "not carried: this database receives changes from elsewhere, decide what becomes of that"},
}
