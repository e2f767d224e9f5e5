package check

import (
	"context"
	"fmt"

	"replicator/replicator/schema"
)

// firstUserOID is the first OID of an object that is not PostgreSQL's own.
const firstUserOID = "16384"

// superuserObjects: the engine goes on without what it may not make; whether the application does
// only its people know.
func (r *run) superuserObjects(ctx context.Context) error {
	if r.scope.tablesOnly {
		return nil
	}
	rows, err := r.inScope(ctx, "SELECT kind, name FROM ("+schema.SuperuserObjects("$2::oid[]")+") AS o WHERE $1::oid[] IS NOT NULL ORDER BY 1, 2")
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
