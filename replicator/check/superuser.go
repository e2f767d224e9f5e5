package check

import (
	"context"
	"fmt"
)

// firstUserOID is the first OID of an object that is not PostgreSQL's own.
const firstUserOID = "16384"

// superuserKinds are objects that only a superuser can make, outside of extensions and not as a part
// of another. Functions and types lie in schemas ($2), the others in the database.
const superuserKinds = `SELECT kind, name FROM (
	SELECT 'event trigger' AS kind, evtname::text AS name, 'pg_event_trigger'::regclass AS class, oid FROM pg_event_trigger
	UNION ALL
	SELECT 'function in ' || l.lanname, n.nspname || '.' || p.proname, 'pg_proc'::regclass, p.oid
	FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE NOT l.lanpltrusted AND p.prokind <> 'a' AND p.pronamespace = ANY ($2::oid[])
	UNION ALL
	SELECT 'base type', n.nspname || '.' || t.typname, 'pg_type'::regclass, t.oid
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
	WHERE t.typtype = 'b' AND t.typcategory <> 'A' AND t.typisdefined AND t.typnamespace = ANY ($2::oid[])
	UNION ALL
	SELECT 'operator class', n.nspname || '.' || o.opcname, 'pg_opclass'::regclass, o.oid
	FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE o.opcnamespace = ANY ($2::oid[])
	UNION ALL
	SELECT 'access method', amname, 'pg_am'::regclass, oid FROM pg_am WHERE oid >= ` + firstUserOID + `
	UNION ALL
	SELECT 'language', lanname, 'pg_language'::regclass, oid FROM pg_language WHERE oid >= ` + firstUserOID + `
	UNION ALL
	SELECT 'foreign-data wrapper', fdwname, 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
	UNION ALL
	SELECT 'cast', format('%s to %s', format_type(castsource, NULL), format_type(casttarget, NULL)), 'pg_cast'::regclass, oid
	FROM pg_cast WHERE oid >= ` + firstUserOID + ` AND castmethod = 'b'
	UNION ALL
	SELECT 'text search parser', prsname, 'pg_ts_parser'::regclass, oid FROM pg_ts_parser WHERE prsnamespace = ANY ($2::oid[])
	UNION ALL
	SELECT 'text search template', tmplname, 'pg_ts_template'::regclass, oid FROM pg_ts_template WHERE tmplnamespace = ANY ($2::oid[])
) AS o WHERE $1::oid[] IS NOT NULL
	AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.class AND e.objid = o.oid AND e.deptype IN ('e', 'i'))
ORDER BY kind, name`

// superuserObjects: the engine goes on without what it may not make; whether the application does
// only its people know.
func (r *run) superuserObjects(ctx context.Context) error {
	if r.scope.tablesOnly {
		return nil
	}
	rows, err := r.inScope(ctx, superuserKinds)
	if err != nil {
		return err
	}
	if len(rows) == 0 || r.dst.Superuser {
		r.ok("superuser-objects", Both, "superuser's objects", "%s that only a superuser can make", count(len(rows), "object"))
		return nil
	}
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row[0] + " " + row[1]
	}
	r.add(Finding{ID: "superuser-objects", Level: r.risk(), Side: Target, Subject: "superuser's objects", Names: names,
		Text: fmt.Sprintf("%s that only a superuser can make: %s", count(len(rows), "object"), few(names)),
		SQL:  lines(fmt.Sprintf("ALTER ROLE %s SUPERUSER", r.dst.role()), "-- after the move: ALTER ROLE "+r.dst.role()+" NOSUPERUSER"),
		Hint: "or move without them with --accept-risk and let a superuser make them"})
	return nil
}
