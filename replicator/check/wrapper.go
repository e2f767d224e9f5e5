package check

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// wrappers: who makes a foreign server, and who owns it, needs USAGE on its foreign-data wrapper.
func (r *run) wrappers(ctx context.Context) error {
	if r.dst.Superuser {
		return nil
	}
	users, err := r.wrapperUsers(ctx)
	if err != nil {
		return err
	}
	users = append(users, eachWith(users, r.dst.Role)...)
	// A wrapper or a role that is not there yet is a finding of its own.
	lack, err := r.dst.query(ctx, `SELECT DISTINCT w.fdw, w.who FROM unnest($1::text[], $2::text[]) AS w(fdw, who)
			JOIN pg_foreign_data_wrapper f ON f.fdwname = w.fdw JOIN pg_roles o ON o.rolname = w.who
		WHERE NOT has_foreign_data_wrapper_privilege(o.oid, f.oid, 'USAGE') ORDER BY 1, 2`, textArray(column(users, 0)), textArray(column(users, 1)))
	if err != nil || len(lack) == 0 {
		return err
	}
	r.add(Finding{ID: "wrappers", Level: Must, Side: Target, Subject: "foreign-data wrappers", Names: column(lack, 0),
		Text: "foreign servers cannot be made or owned without USAGE on their wrappers: " + few(column(lack, 0)), SQL: lines(wrapperSQL(lack)...)})
	return nil
}

// wrapperUsers lists the wrappers of foreign servers with the servers' owners.
func (r *run) wrapperUsers(ctx context.Context) ([][]string, error) {
	if r.scope.tablesOnly {
		return nil, nil
	}
	return r.src.query(ctx, `SELECT DISTINCT f.fdwname, o.rolname FROM pg_foreign_server s
		JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw JOIN pg_roles o ON o.oid = s.srvowner ORDER BY 1, 2`)
}

// eachWith pairs every wrapper with one more role.
func eachWith(users [][]string, role string) [][]string {
	out := make([][]string, len(users))
	for i, u := range users {
		out[i] = []string{u[0], role}
	}
	return out
}

func wrapperSQL(pairs [][]string) []string {
	sql := make([]string, len(pairs))
	for i, p := range pairs {
		sql[i] = fmt.Sprintf("GRANT USAGE ON FOREIGN DATA WRAPPER %s TO %s", pg.Ident(p[0]), pg.Ident(p[1]))
	}
	return sql
}
