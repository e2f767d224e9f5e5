package check

import (
	"context"
	"fmt"
	"slices"

	"replicator/replicator/pg"
)

// tablespaces: a table in a tablespace wants one of that name, and the right to lie in it.
func (r *run) tablespaces(ctx context.Context) error {
	rows, err := r.inScope(ctx, `SELECT DISTINCT s.spcname, pg_tablespace_location(s.oid) FROM pg_class c JOIN pg_tablespace s ON s.oid = c.reltablespace
		WHERE s.spcname NOT IN ('pg_default', 'pg_global') AND (c.oid = ANY ($1::oid[]) OR c.relnamespace = ANY ($2::oid[])) ORDER BY 1`)
	if err != nil {
		return err
	}
	there, err := r.dst.query(ctx, "SELECT spcname, has_tablespace_privilege(oid, 'CREATE') FROM pg_tablespace")
	if err != nil {
		return err
	}
	may := make(map[string]string, len(there))
	for _, t := range there {
		may[t[0]] = t[1]
	}
	var names, sql []string
	for _, row := range rows {
		name := r.o.Tablespaces.Of(row[0])
		grant := fmt.Sprintf("GRANT CREATE ON TABLESPACE %s TO %s", pg.Ident(name), r.dst.role())
		switch {
		case name == "" || may[name] == "t" || slices.Contains(names, name):
		case may[name] == "f":
			names = append(names, name)
			sql = append(sql, grant)
		default:
			names = append(names, name)
			sql = append(sql, fmt.Sprintf("CREATE TABLESPACE %s LOCATION %s", pg.Ident(name), pg.Literal(row[1])), grant)
		}
	}
	if len(names) == 0 {
		r.ok("tablespaces", Target, "tablespaces", "%s in use", count(len(rows), "tablespace"))
		return nil
	}
	r.add(Finding{ID: "tablespaces", Level: Must, Side: Target, Subject: "tablespaces", Names: names,
		Text: "missing, or closed to the role: " + few(names), SQL: lines(sql...),
		Hint: "the location is the source's: choose one of the target's machine; or place what lies there elsewhere, with --tablespace-map"})
	return nil
}
