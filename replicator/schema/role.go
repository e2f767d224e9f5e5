package schema

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"replicator/replicator/pg"
)

// Role is what a role is, but for its password. Attributes is SQL, as behind CREATE ROLE, and never
// has SUPERUSER: no superuser is made by us.
type Role struct {
	Attributes string       `json:"attributes"`
	Superuser  bool         `json:"superuser,omitempty"`
	Member     []Membership `json:"member,omitempty"`
	Settings   []Setting    `json:"settings,omitempty"` // in all databases
	Comment    string       `json:"comment,omitempty"`
}

// Membership is a role of which another is a member.
type Membership struct {
	Of    string `json:"of"`
	Admin bool   `json:"admin,omitempty"`
}

// ReadRoles reads all roles of a server but those that PostgreSQL brings.
func ReadRoles(ctx context.Context, conn *pg.Conn) (map[string]Role, error) {
	rows, err := conn.Query(ctx, `SELECT rolname, rolsuper,
			CASE WHEN rolcanlogin THEN ' LOGIN' ELSE ' NOLOGIN' END || CASE WHEN rolinherit THEN ' INHERIT' ELSE ' NOINHERIT' END
			|| CASE WHEN rolcreatedb THEN ' CREATEDB' ELSE ' NOCREATEDB' END || CASE WHEN rolcreaterole THEN ' CREATEROLE' ELSE ' NOCREATEROLE' END
			|| CASE WHEN rolbypassrls THEN ' BYPASSRLS' ELSE ' NOBYPASSRLS' END || CASE WHEN rolreplication THEN ' REPLICATION' ELSE ' NOREPLICATION' END
			|| ' CONNECTION LIMIT ' || rolconnlimit || ' VALID UNTIL ' || quote_literal(COALESCE(rolvaliduntil, 'infinity')),
			COALESCE(shobj_description(oid, 'pg_authid'), '')
		FROM pg_roles WHERE rolname !~ '^pg_'`)
	if err != nil {
		return nil, fmt.Errorf("list roles: %w", err)
	}
	roles := make(map[string]Role, len(rows))
	for _, r := range rows {
		roles[r[0]] = Role{Superuser: r[1] == "t", Attributes: r[2], Comment: r[3]}
	}
	if rows, err = conn.Query(ctx, `SELECT m.rolname, o.rolname, bool_or(a.admin_option) FROM pg_auth_members a
			JOIN pg_roles m ON m.oid = a.member JOIN pg_roles o ON o.oid = a.roleid GROUP BY 1, 2 ORDER BY 1, 2`); err != nil {
		return nil, fmt.Errorf("list memberships: %w", err)
	}
	for _, r := range rows {
		role := roles[r[0]]
		role.Member = append(role.Member, Membership{Of: r[1], Admin: r[2] == "t"})
		roles[r[0]] = role
	}
	if rows, err = conn.Query(ctx, settingsOf+` WHERE setdatabase = 0 AND setrole <> 0 ORDER BY 1, 2`); err != nil {
		return nil, fmt.Errorf("list settings of roles: %w", err)
	}
	for _, r := range rows {
		role := roles[r[0]]
		role.Settings = append(role.Settings, Setting{Name: r[1], Value: r[2], Mighty: r[3] == "t"})
		roles[r[0]] = role
	}
	return roles, nil
}

// ReferredRoles are the roles that matter to the database: those that own something in it, have a
// right or a setting, the groups that these are members of, and their members, who log in. Not among
// them is our own role, and superusers bring nobody along.
func ReferredRoles(ctx context.Context, conn *pg.Conn, all map[string]Role) ([]string, error) {
	rows, err := conn.Query(ctx, `WITH here AS (SELECT oid FROM pg_database WHERE datname = current_database())
		SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> session_user AND oid IN (
			SELECT refobjid FROM pg_shdepend, here WHERE refclassid = 'pg_authid'::regclass
				AND (dbid = here.oid AND classid NOT IN ('pg_publication'::regclass, 'pg_subscription'::regclass)
					OR dbid = 0 AND classid = 'pg_database'::regclass AND objid = here.oid)
			UNION SELECT setrole FROM pg_db_role_setting, here WHERE setdatabase = here.oid)`)
	if err != nil {
		return nil, fmt.Errorf("list roles of the database: %w", err)
	}
	me, err := conn.Value(ctx, `SELECT session_user`)
	if err != nil {
		return nil, err
	}
	members := map[string][]string{}
	for name, r := range all {
		for _, m := range r.Member {
			members[m.Of] = append(members[m.Of], name)
		}
	}
	found := map[string]bool{}
	var follow func(name string, next func(string) []string)
	follow = func(name string, next func(string) []string) {
		if _, known := all[name]; !known || found[name] || name == me {
			return
		}
		found[name] = true
		if all[name].Superuser {
			return
		}
		for _, n := range next(name) {
			follow(n, next)
		}
	}
	below := func(n string) []string { return members[n] }
	for _, r := range rows {
		follow(r[0], below)
	}
	for _, name := range slices.Collect(maps.Keys(found)) {
		delete(found, name)
		follow(name, func(n string) []string { return all[n].groups() })
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// groups are the names of the roles that r is a member of.
func (r Role) groups() []string {
	names := make([]string, len(r.Member))
	for i, m := range r.Member {
		names[i] = m.Of
	}
	return names
}

// roleItems names what the target's roles lack. A superuser there lacks nothing.
func roleItems(referred []string, src, dst *Site) []Item {
	const do = "replicator sql roles prints the SQL"
	var items []Item
	for _, name := range referred {
		want := src.Roles[name]
		have, there := dst.Roles[name]
		switch {
		case !there:
			items = append(items, Item{"role", name, "the target has no such role", do, true})
			continue
		case have.Superuser || want.Superuser:
			continue
		case have.Attributes != want.Attributes:
			items = append(items, Item{"role", name, "has other attributes on the target", do, true})
		}
		for _, m := range want.Member {
			if !have.has(m) {
				items = append(items, Item{"membership", name + " in " + m.Of, "not so on the target", do, true})
			}
		}
		for _, s := range want.Settings {
			if !slices.Contains(have.Settings, s) {
				items = append(items, Item{"role setting", s.Name + " of " + name, "not set, or otherwise, on the target", do, true})
			}
		}
	}
	return items
}

// RolesSQL makes the roles names of src on a server that has the roles have, and may be run again: roles,
// then memberships and settings. passwords are as pg_authid has them, scrambled; a role without one
// keeps what it has.
func RolesSQL(names []string, src, have map[string]Role, passwords map[string]string) []string {
	var roles, rest []string
	for _, name := range names {
		r, there := have[name]
		want, id := src[name], pg.Ident(name)
		switch {
		case !there:
			roles = append(roles, "DO "+pg.Literal("BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = "+pg.Literal(name)+
				") THEN CREATE ROLE "+id+want.Attributes+"; END IF; END"))
		case r.Superuser || want.Superuser:
		case r.Attributes != want.Attributes:
			roles = append(roles, "ALTER ROLE "+id+" WITH"+want.Attributes)
		}
		if p := passwords[name]; p != "" {
			roles = append(roles, "ALTER ROLE "+id+" PASSWORD "+pg.Literal(p))
		}
		if want.Comment != "" && r.Comment != want.Comment {
			rest = append(rest, "COMMENT ON ROLE "+id+" IS "+pg.Literal(want.Comment))
		}
		for _, m := range want.Member {
			if r.has(m) {
				continue
			}
			sql := "GRANT " + pg.Ident(m.Of) + " TO " + id
			if m.Admin {
				sql += " WITH ADMIN OPTION"
			}
			rest = append(rest, sql)
		}
		for _, s := range want.Settings {
			if !slices.Contains(r.Settings, s) {
				rest = append(rest, "ALTER ROLE "+id+" SET "+pg.Ident(s.Name)+" = "+s.Value)
			}
		}
	}
	return append(roles, rest...)
}

// has reports whether the role is a member as m says.
func (r Role) has(m Membership) bool {
	return slices.ContainsFunc(r.Member, func(h Membership) bool { return h.Of == m.Of && (h.Admin || !m.Admin) })
}

// Passwords are the roles' passwords as pg_authid has them. It takes the right to read that.
func Passwords(ctx context.Context, conn *pg.Conn) (map[string]string, error) {
	m, err := pairs(ctx, conn, `SELECT rolname, COALESCE(rolpassword, '') FROM pg_authid`)
	if err != nil {
		return nil, fmt.Errorf("read passwords: %w", err)
	}
	return m, nil
}
