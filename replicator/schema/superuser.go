package schema

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// SuperuserObjects is the query of objects that only a superuser can make, outside of extensions and not
// as a part of another: kind, name, catalog and OID. Functions and types are looked for in the schemas, an
// expression for an array of OIDs; the others lie in the database.
func SuperuserObjects(schemas string) string {
	return `SELECT kind, name, class::oid, oid FROM (
	SELECT 'event trigger' AS kind, evtname::text AS name, 'pg_event_trigger'::regclass AS class, oid FROM pg_event_trigger WHERE evtname NOT LIKE 'replicator\_ddl\_%'
	UNION ALL
	SELECT 'function in ' || l.lanname, n.nspname || '.' || p.proname, 'pg_proc'::regclass, p.oid
	FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE NOT l.lanpltrusted AND p.prokind <> 'a' AND p.pronamespace = ANY (` + schemas + `)
	UNION ALL
	SELECT 'base type', n.nspname || '.' || t.typname, 'pg_type'::regclass, t.oid
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
	WHERE t.typtype = 'b' AND t.typcategory <> 'A' AND t.typisdefined AND t.typnamespace = ANY (` + schemas + `)
	UNION ALL
	SELECT 'operator class', n.nspname || '.' || o.opcname, 'pg_opclass'::regclass, o.oid
	FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE o.opcnamespace = ANY (` + schemas + `)
	UNION ALL
	SELECT 'operator family', n.nspname || '.' || f.opfname, 'pg_opfamily'::regclass, f.oid
	FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace WHERE f.opfnamespace = ANY (` + schemas + `)
	UNION ALL
	SELECT 'access method', amname, 'pg_am'::regclass, oid FROM pg_am WHERE oid >= 16384
	UNION ALL
	SELECT 'language', lanname, 'pg_language'::regclass, oid FROM pg_language WHERE oid >= 16384
	UNION ALL
	SELECT 'foreign-data wrapper', fdwname, 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
	UNION ALL
	SELECT 'cast', format('%s to %s', format_type(castsource, NULL), format_type(casttarget, NULL)), 'pg_cast'::regclass, oid
	FROM pg_cast WHERE oid >= 16384 AND castmethod = 'b'
	UNION ALL
	SELECT 'text search parser', prsname, 'pg_ts_parser'::regclass, oid FROM pg_ts_parser WHERE prsnamespace = ANY (` + schemas + `)
	UNION ALL
	SELECT 'text search template', tmplname, 'pg_ts_template'::regclass, oid FROM pg_ts_template WHERE tmplnamespace = ANY (` + schemas + `)
) AS o WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.class AND e.objid = o.oid AND e.deptype IN ('e', 'i'))`
}

// usersSchemas are all that are not the server's own.
const usersSchemas = `ARRAY(SELECT n.oid FROM pg_namespace n WHERE ` + userSchema + `)`

// superuserItems names them for a target whose role is no superuser. Event triggers are among the others.
func superuserItems(ctx context.Context, conn *pg.Conn) ([]Item, error) {
	rows, err := conn.Query(ctx, SuperuserObjects(usersSchemas)+" ORDER BY 1, 2")
	if err != nil {
		return nil, fmt.Errorf("look for what takes a superuser: %w", err)
	}
	var items []Item
	for _, r := range rows {
		if r[0] != "event trigger" {
			items = append(items, Item{Kind: r[0], Name: r[1], Why: "takes a superuser, which our role on the target is not", Do: bySuperuser, Loss: true})
		}
	}
	return items, nil
}

// objectKey is an object by its catalog and its OID there.
type objectKey struct{ class, oid uint32 }

func (f *Facts) readMighty(ctx context.Context, conn *pg.Conn, _ string) error {
	rows, err := conn.Query(ctx, SuperuserObjects(usersSchemas))
	if err != nil {
		return fmt.Errorf("list what takes a superuser: %w", err)
	}
	f.mighty = make(map[objectKey]bool, len(rows))
	for _, r := range rows {
		f.mighty[objectKey{oid(r[2]), oid(r[3])}] = true
	}
	return nil
}

// lacking is what a step may meet whose object needs one that only a superuser can make: it is left out
// along with that, and named.
var lacking = []string{insufficientPrivilege, "42883", "42704", "42P01"} // no such function, object, relation

// withoutSuperuser finds the entries that only a superuser can make, and those that need them. Tables
// are not among these: rows that have nowhere to go stop the job.
func (p *planner) withoutSuperuser(entries []Entry) {
	shells := map[[2]string]bool{} // a base type begins as a shell, which has no number
	for i := range entries {
		if e := &entries[i]; e.Type == "TYPE" && p.facts.mighty[objectKey{e.Class, e.OID}] {
			shells[[2]string{e.Schema, e.Name}] = true
		}
	}
	for i := range entries {
		e := &entries[i]
		p.mighty[e.ID] = e.Class != 0 && p.facts.mighty[objectKey{e.Class, e.OID}] || e.Type == "SHELL TYPE" && shells[[2]string{e.Schema, e.Name}]
		if on := p.objectOf(e); on != nil && (e.Type == "COMMENT" || e.Type == "ACL" || e.Type == "SECURITY LABEL") {
			p.mighty[e.ID] = p.mighty[on.ID] // goes without saying
		}
		p.lacks[e.ID] = p.mighty[e.ID]
		for _, id := range e.Depends {
			p.lacks[e.ID] = p.lacks[e.ID] || p.lacks[id] && e.Type != "TABLE"
		}
	}
}

// Superuser are the IDs of the steps that only a superuser can do.
func (w *Work) Superuser() map[string]bool {
	ids := map[string]bool{}
	if w == nil {
		return ids
	}
	for _, list := range [][]Step{w.Pre, w.Constraints, w.Finish} {
		for i := range list {
			if list[i].Superuser {
				ids[list[i].ID] = true
			}
		}
	}
	return ids
}
