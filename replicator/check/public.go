package check

import (
	"context"
	"fmt"
	"slices"

	"replicator/replicator/pg"
)

// publicRights: schema public is there before us and is not ours, so its rights are not ours to
// give: PostgreSQL only warns of a GRANT that has no effect.
func (r *run) publicRights(ctx context.Context) error {
	owned, err := r.dst.query(ctx, "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'public'")
	if err != nil || r.dst.Superuser || len(owned) == 0 || owned[0][0] == "t" {
		return err
	}
	sql, err := r.publicSQL(ctx)
	if err != nil {
		return err
	}
	if len(sql) == 0 {
		r.ok("public-rights", Target, "rights on public", "as on the source")
		return nil
	}
	r.add(Finding{ID: "public-rights", Level: Note, Side: Target, Subject: "rights on public",
		Text: "or its owner differ from the source's, and only the schema's owner may change them", SQL: lines(sql...)})
	return nil
}

// publicSQL gives public the owner and the rights that the source has, and takes from PUBLIC those
// that it has not. Other rights stay: owners need CREATE while objects are made.
func (r *run) publicSQL(ctx context.Context) ([]string, error) {
	if !slices.Contains(r.scope.schemas, "public") {
		return nil, nil
	}
	const rights = `SELECT COALESCE(rolname, ''), privilege_type, is_grantable
		FROM pg_namespace CROSS JOIN aclexplode(COALESCE(nspacl, acldefault('n', nspowner))) AS a LEFT JOIN pg_roles r ON r.oid = a.grantee
		WHERE nspname = 'public' AND a.grantee <> nspowner ORDER BY 1, 2`
	want, err := r.src.query(ctx, rights)
	if err != nil {
		return nil, err
	}
	have, err := r.dst.query(ctx, rights)
	if err != nil {
		return nil, err
	}
	in := func(list [][]string, x []string) bool {
		return slices.ContainsFunc(list, func(y []string) bool { return slices.Equal(x, y) })
	}
	sql, err := r.publicOwnerSQL(ctx) // first: whose rights they are changes with it
	if err != nil {
		return nil, err
	}
	for _, w := range want {
		if in(have, w) {
			continue
		}
		s := fmt.Sprintf("GRANT %s ON SCHEMA public TO %s", w[1], grantee(w[0]))
		if w[2] == "t" {
			s += " WITH GRANT OPTION"
		}
		sql = append(sql, s)
	}
	for _, h := range have {
		if h[0] == "" && !in(want, h) {
			sql = append(sql, fmt.Sprintf("REVOKE %s ON SCHEMA public FROM PUBLIC", h[1]))
		}
	}
	return sql, nil
}

// publicOwnerSQL: the server's own superuser owns public up to version 14, the database's owner after
// it, and a database that was upgraded keeps what it had.
func (r *run) publicOwnerSQL(ctx context.Context) ([]string, error) {
	const owner = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public'"
	want, err := r.src.value(ctx, owner)
	if err != nil {
		return nil, err
	}
	lack, err := r.dst.query(ctx, owner+" AND nspowner <> (SELECT oid FROM pg_roles WHERE rolname = $1)", want)
	if err != nil || len(lack) == 0 {
		return nil, err
	}
	return []string{"ALTER SCHEMA public OWNER TO " + pg.Ident(want)}, nil
}

func grantee(name string) string {
	if name == "" {
		return "PUBLIC"
	}
	return pg.Ident(name)
}
