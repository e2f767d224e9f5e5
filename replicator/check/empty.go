package check

import (
	"context"
	"fmt"
)

// empty: what stands in the target already would be mixed with what comes, or stop it.
func (r *run) empty(ctx context.Context) error {
	rows, err := r.dst.query(ctx, standing, textArray(r.scope.schemas))
	if err != nil {
		return err
	}
	job, err := r.dst.value(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'replicator')")
	if err != nil {
		return err
	}
	if job == "t" {
		r.note("job", Target, "job", "a job of ours stands in the target: resume it with its --dir, or clean it up")
	}
	if len(rows) == 0 {
		r.ok("empty", Target, "empty", "nothing stands in the schemas that will be filled")
		return nil
	}
	names := column(rows, 0)
	r.add(Finding{ID: "empty", Level: Must, Side: Target, Subject: "empty", Names: names,
		Text: fmt.Sprintf("%s already in the schemas that will be filled: %s", count(len(names), "object"), few(names)),
		SQL:  lines(append([]string{fmt.Sprintf("-- this destroys them: be sure that %s is the database to be filled", r.dst.Database)}, column(rows, 1)...)...),
		Hint: "better make a new database"})
	return nil
}

// standing lists what stands in the schemas $1, with the statement that drops it. What belongs to an
// extension stays, what belongs to a table (its sequences, its row type) goes with it.
const standing = `SELECT name, drop FROM (
	SELECT 'pg_class'::regclass AS class, c.oid, ` + qualified + ` AS name, c.relkind = 'r' OR c.relkind = 'p' AS first,
		format('DROP %s IF EXISTS %I.%I CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
			WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, n.nspname, c.relname) AS drop
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND c.relpersistence <> 't'
	UNION ALL
	SELECT 'pg_proc'::regclass, p.oid, n.nspname || '.' || p.proname, false, format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure)
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY ($1::text[])
	UNION ALL
	SELECT 'pg_type'::regclass, t.oid, n.nspname || '.' || t.typname, false, format('DROP TYPE IF EXISTS %I.%I CASCADE', n.nspname, t.typname)
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
	WHERE n.nspname = ANY ($1::text[]) AND t.typtype IN ('b', 'd', 'e', 'r') AND t.typcategory <> 'A'
) AS o WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('a', 'i', 'e')
	AND NOT (d.deptype = 'a' AND d.refclassid <> 'pg_class'::regclass))
ORDER BY first DESC, name`
