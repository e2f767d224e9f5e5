package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/replicator/pg"
)

// roles: owners and grantees must exist before objects are theirs. Passwords do not move, and no
// superuser is made by us.
func (r *run) roles(ctx context.Context) error {
	wanted, err := r.wantedRoles(ctx)
	if err != nil {
		return err
	}
	have, err := r.dst.query(ctx, "SELECT rolname FROM pg_roles WHERE rolname = ANY ($1::text[])", textArray(column(wanted, 0)))
	if err != nil {
		return err
	}
	known := column(have, 0)
	missing := slices.DeleteFunc(slices.Clone(wanted), func(w []string) bool { return slices.Contains(known, w[0]) })
	if len(missing) == 0 {
		r.ok("roles", Target, "roles", "all %d that own objects or have rights exist", len(wanted))
		return nil
	}
	names := column(missing, 0)
	var sql []string
	for _, m := range missing {
		sql = append(sql, fmt.Sprintf("CREATE ROLE %s%s", pg.Ident(m[0]), m[1]))
	}
	r.add(Finding{ID: "roles", Level: Must, Side: Target, Subject: "roles", Names: names,
		Text: fmt.Sprintf("%s missing that own objects or have rights: %s", count(len(names), "role"), few(names)),
		SQL:  lines(sql...),
		Hint: "replicator sql roles prints memberships and settings, too, and passwords if asked; SUPERUSER is left to you"})
	return nil
}

// wantedRoles are the roles that objects of the database refer to, with their attributes.
func (r *run) wantedRoles(ctx context.Context) ([][]string, error) {
	refers := `d.classid = 'pg_class'::regclass AND d.objid = ANY ($1::oid[]) AND $2::oid[] IS NOT NULL
		OR d.classid = 'pg_namespace'::regclass AND d.objid = ANY ($2::oid[])` + r.rolesOfObjects() + `
		OR d.classid = 'pg_policy'::regclass AND d.objid IN (SELECT oid FROM pg_policy WHERE polrelid = ANY ($1::oid[]))`
	if r.o.Select.IsZero() {
		refers = "d.classid NOT IN ('pg_publication'::regclass, 'pg_subscription'::regclass)"
	}
	return r.inScope(ctx, `SELECT rolname,
			CASE WHEN rolcanlogin THEN ' LOGIN' ELSE '' END || CASE WHEN rolinherit THEN '' ELSE ' NOINHERIT' END
			|| CASE WHEN rolcreatedb THEN ' CREATEDB' ELSE '' END || CASE WHEN rolcreaterole THEN ' CREATEROLE' ELSE '' END
			|| CASE WHEN rolbypassrls THEN ' BYPASSRLS' ELSE '' END || CASE WHEN rolreplication THEN ' REPLICATION' ELSE '' END
			|| CASE WHEN rolconnlimit >= 0 THEN ' CONNECTION LIMIT ' || rolconnlimit ELSE '' END
		FROM pg_roles WHERE rolname !~ '^pg_' AND oid IN (
			SELECT d.refobjid FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass
				AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND (`+refers+`)
			UNION SELECT owner FROM (`+r.moving()+`) AS m)
		ORDER BY 1`)
}

// rolesOfObjects adds those of large objects to a selection.
func (r *run) rolesOfObjects() string {
	if !r.movesObjects() {
		return ""
	}
	return " OR d.classid = 'pg_largeobject'::regclass"
}

// owner is a role that owns what moves, as the target knows it.
type owner struct {
	name              string
	super, set, usage bool
	create            bool // on the database
	grantor           bool // that only: it has given rights on what others own
}

// fits reports whether we can make objects and hand them to the owner: by having its rights, or by
// becoming it, for which it must be allowed to make what it owns.
func (o *owner) fits() bool { return o.set && (o.usage || o.create || o.grantor) }

// owners: giving an object away takes membership in its new owner, and so does giving rights as
// somebody else.
func (r *run) owners(ctx context.Context) error {
	rows, err := r.ownerNames(ctx)
	if err != nil {
		return err
	}
	owners, err := r.dst.owners(ctx, column(rows, 0))
	if err != nil {
		return err
	}
	var lack, mighty, sql []string
	for i := range owners {
		o := &owners[i]
		o.grantor = slices.ContainsFunc(rows, func(row []string) bool { return row[0] == o.name && row[2] == "t" })
		if r.dst.Superuser || o.fits() {
			continue
		}
		lack = append(lack, o.name)
		sql = append(sql, memberSQL(r.dst.Version, o.name, r.dst.Role))
		if o.super {
			mighty = append(mighty, o.name)
		}
	}
	if len(lack) == 0 {
		r.ok("owners", Target, "owners", "objects can be given to %s", count(len(owners), "owner"))
		return r.afterOwners(ctx, owners)
	}
	f := Finding{ID: "owners", Level: Must, Side: Target, Subject: "owners", Names: lack, SQL: lines(sql...),
		Text: fmt.Sprintf("role %s cannot give objects to %s", r.dst.Role, few(lack))}
	if len(mighty) > 0 {
		f.Hint = fmt.Sprintf("%s being superuser, this makes %s as mighty: revoke it after the move", strings.Join(mighty, ", "), r.dst.Role)
	}
	r.add(f)
	return r.afterOwners(ctx, owners)
}

func (r *run) afterOwners(ctx context.Context, owners []owner) error {
	if err := r.allData(ctx, owners); err != nil {
		return err
	}
	return r.schemaRights(ctx)
}

// ownerNames lists the roles that own what moves or have given rights on it, whether they are superusers on
// the source, and whether they are here as grantors only.
func (r *run) ownerNames(ctx context.Context) ([][]string, error) {
	others, grants := "", grantsOnRelations
	if r.o.Select.IsZero() {
		// Operators, servers, text search and the like; what moving lists is for objects of the bootstrap superuser,
		// whom this catalog leaves out.
		others = ` UNION SELECT d.refobjid FROM pg_shdepend d
			WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND d.classid NOT IN ('pg_publication'::regclass, 'pg_subscription'::regclass, 'pg_extension'::regclass)
				AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')`
		grants += grantsOnOthers
	}
	return r.inScope(ctx, `WITH own AS (SELECT owner FROM (`+r.moving()+`) AS m`+others+`)
		SELECT rolname, rolsuper, oid NOT IN (SELECT owner FROM own) FROM pg_roles WHERE oid IN (SELECT owner FROM own
			UNION SELECT x.grantor FROM (`+grants+`) AS g (acl), aclexplode(g.acl) AS x WHERE x.grantor >= `+firstUserOID+`)
		ORDER BY 1`)
}

// grantsOnRelations are the rights on relations and columns that move; grantsOnOthers those on what a
// whole database has besides. PostgreSQL's own objects are left to whoever set up the target.
const (
	grantsOnRelations = `SELECT relacl FROM pg_class WHERE oid = ANY ($1::oid[])
		UNION ALL SELECT attacl FROM pg_attribute WHERE attrelid = ANY ($1::oid[])`
	grantsOnOthers = `
		UNION ALL SELECT relacl FROM pg_class WHERE oid >= ` + firstUserOID + `
		UNION ALL SELECT attacl FROM pg_attribute WHERE attrelid >= ` + firstUserOID + `
		UNION ALL SELECT nspacl FROM pg_namespace WHERE oid >= ` + firstUserOID + `
		UNION ALL SELECT proacl FROM pg_proc WHERE oid >= ` + firstUserOID + `
		UNION ALL SELECT typacl FROM pg_type WHERE oid >= ` + firstUserOID + `
		UNION ALL SELECT lanacl FROM pg_language WHERE oid >= ` + firstUserOID + `
		UNION ALL SELECT srvacl FROM pg_foreign_server
		UNION ALL SELECT fdwacl FROM pg_foreign_data_wrapper
		UNION ALL SELECT lomacl FROM pg_largeobject_metadata`
)

// owners reads what the role may do with the owners. Before version 16 every member may SET ROLE.
func (s *side) owners(ctx context.Context, names []string) ([]owner, error) {
	set := "SET"
	if s.major() < 16 {
		set = "MEMBER"
	}
	rows, err := s.query(ctx, `SELECT rolname, rolsuper, pg_has_role(oid, '`+set+`'), pg_has_role(oid, 'USAGE'),
			has_database_privilege(oid, current_database(), 'CREATE')
		FROM pg_roles WHERE rolname = ANY ($1::text[]) ORDER BY 1`, textArray(names))
	if err != nil {
		return nil, err
	}
	list := make([]owner, len(rows))
	for i, r := range rows {
		list[i] = owner{name: r[0], super: r[1] == "t", set: r[2] == "t", usage: r[3] == "t", create: r[4] == "t"}
	}
	return list, nil
}

// memberSQL makes role a member of owner. INHERIT, not only SET: as the owner alone we could make a
// schema only if the owner may, and that right would stay with the application after the move.
func memberSQL(version int, owner, role string) string {
	sql := fmt.Sprintf("GRANT %s TO %s", pg.Ident(owner), pg.Ident(role))
	if version >= 160000 {
		sql += " WITH INHERIT TRUE, SET TRUE"
	}
	return sql + ";"
}

// schemaRights: the new owner of an object needs CREATE on a schema that stands already; for public
// that is nobody's since version 15.
func (r *run) schemaRights(ctx context.Context) error {
	rows, err := r.ownersBySchema(ctx)
	if err != nil {
		return err
	}
	lack, err := r.dst.query(ctx, `SELECT w.nsp, w.owner FROM unnest($1::text[], $2::text[]) AS w(nsp, owner)
			JOIN pg_namespace n ON n.nspname = w.nsp JOIN pg_roles o ON o.rolname = w.owner
		WHERE NOT has_schema_privilege(o.oid, n.oid, 'CREATE')`, textArray(column(rows, 0)), textArray(column(rows, 1)))
	if err != nil {
		return err
	}
	if r.dst.Superuser || len(lack) == 0 {
		r.ok("schema-create", Target, "CREATE on schemas", "owners may own objects in the schemas that stand already")
		return r.strangers(ctx, rows)
	}
	var names, sql []string
	for _, l := range lack {
		names = append(names, l[1]+" in "+l[0])
		sql = append(sql, fmt.Sprintf("GRANT CREATE ON SCHEMA %s TO %s", pg.Ident(l[0]), pg.Ident(l[1])))
	}
	r.add(Finding{ID: "schema-create", Level: Must, Side: Target, Subject: "CREATE on schemas", Names: names,
		Text: "owners may not own objects in schemas that stand already: " + few(names), SQL: lines(sql...)})
	return r.strangers(ctx, rows)
}

// strangers own objects in a schema in which they may not make any: a superuser once gave them away.
// On the target that takes the right, and rights on a schema come from the source along with it.
func (r *run) strangers(ctx context.Context, pairs [][]string) error {
	if r.dst.Superuser {
		return nil
	}
	lack, err := r.src.query(ctx, `SELECT w.nsp, w.owner FROM unnest($1::text[], $2::text[]) AS w(nsp, owner)
			JOIN pg_namespace n ON n.nspname = w.nsp JOIN pg_roles o ON o.rolname = w.owner
		WHERE n.nspname <> 'public' AND NOT has_schema_privilege(o.oid, n.oid, 'CREATE')`, textArray(column(pairs, 0)), textArray(column(pairs, 1)))
	if err != nil || len(lack) == 0 {
		return err
	}
	var names, sql []string
	for _, l := range lack {
		names = append(names, l[1]+" in "+l[0])
		sql = append(sql, fmt.Sprintf("GRANT CREATE ON SCHEMA %s TO %s", pg.Ident(l[0]), pg.Ident(l[1])))
	}
	r.add(Finding{ID: "strangers", Level: Must, Side: Source, Subject: "CREATE on schemas", Names: names,
		Text: "owners of objects in schemas in which they may make none: " + few(names), SQL: lines(sql...),
		Hint: "the right moves with the schema; revoke it on the target after the move"})
	return nil
}

// ownersBySchema lists who owns something in which schema.
func (r *run) ownersBySchema(ctx context.Context) ([][]string, error) {
	return r.inScope(ctx, `SELECT DISTINCT n.nspname, o.rolname FROM (`+r.moving()+`) AS m
		JOIN pg_namespace n ON n.oid = m.nsp JOIN pg_roles o ON o.oid = m.owner WHERE m.class <> 'pg_namespace'::regclass ORDER BY 1, 2`)
}
