package check

import (
	"context"
	"strings"

	"replicator/chunker"
)

// scope is where the objects other than tables lie that move along: the schemas of the source that
// hold anything of the user's, or with a selection those of the selected tables.
type scope struct {
	schemas []string // names
	oids    string   // of schemas, an array literal
	// tablesOnly says that, as with pg_dump -t, no functions and types move along.
	tablesOnly bool
}

func (r *run) setScope(ctx context.Context) error {
	r.oids = oidArray(r.tables, func(*chunker.Table) bool { return true })
	cond := `n.nspname !~ '^pg_' AND n.nspname <> ALL ('{information_schema,replicator,replicator_setup}')`
	if !r.o.Select.IsZero() {
		cond = `n.oid IN (SELECT relnamespace FROM pg_class WHERE oid = ANY ($1::oid[]))`
	} else {
		cond += ` AND $1::oid[] IS NOT NULL`
	}
	rows, err := r.src.query(ctx, `SELECT n.oid, n.nspname FROM pg_namespace n WHERE `+cond+` ORDER BY 2`, r.oids)
	if err != nil {
		return err
	}
	r.scope = scope{
		schemas:    column(rows, 1),
		oids:       "{" + strings.Join(column(rows, 0), ",") + "}",
		tablesOnly: len(r.o.Select.Tables) > 0,
	}
	return nil
}

// inScope asks one side with the tables' OIDs as $1 and the schemas' as $2.
func (r *run) inScope(ctx context.Context, sql string) ([][]string, error) {
	return r.src.query(ctx, sql, r.oids, r.scope.oids)
}

// moving lists the objects that move and have an owner, as class, object, namespace, owner. Members
// of extensions come with their extension, and what belongs to another object with that: a range
// type's constructors are even owned by the bootstrap superuser, whoever made the type.
func (r *run) moving() string {
	sql := `SELECT 'pg_class'::regclass::oid AS class, c.oid AS obj, c.relnamespace AS nsp, c.relowner AS owner FROM pg_class c
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND c.relpersistence <> 't' AND `
	if r.scope.tablesOnly {
		return sql + `c.oid = ANY ($1::oid[]) AND $2::oid[] IS NOT NULL` + r.movingObjects()
	}
	return `SELECT * FROM (` + sql + `c.relnamespace = ANY ($2::oid[]) AND $1::oid[] IS NOT NULL
		UNION ALL
		SELECT 'pg_proc'::regclass, oid, pronamespace, proowner FROM pg_proc WHERE pronamespace = ANY ($2::oid[])
		UNION ALL
		SELECT 'pg_type'::regclass, oid, typnamespace, typowner FROM pg_type
		WHERE typnamespace = ANY ($2::oid[]) AND typrelid = 0 AND typtype IN ('b', 'd', 'e', 'r') AND typcategory <> 'A'
		UNION ALL
		SELECT 'pg_namespace'::regclass, oid, oid, nspowner FROM pg_namespace
		WHERE oid = ANY ($2::oid[]) AND NOT (nspname = 'public' AND nspowner < 16384)` + r.movingObjects() + `
		) AS o WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.class AND e.objid = o.obj AND e.deptype IN ('e', 'i'))`
}

// movingObjects adds the large objects, which lie in no namespace; one for each owner will do.
func (r *run) movingObjects() string {
	if !r.movesObjects() {
		return ""
	}
	return ` UNION ALL SELECT 'pg_largeobject'::regclass, min(oid), 0, lomowner FROM pg_largeobject_metadata GROUP BY lomowner`
}
