package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"replicator/replicator/pg"
)

// What pg_dump leaves out unless it makes the database itself: settings, rights, owner, comment, and
// what the database is made with. The first, the rights and the comment are carried where our role may
// do that; everything else is named.

// property is something that the target's database lacks, with the SQL that gives it.
type property struct {
	kind, name string
	sql        string // to follow ALTER DATABASE name and the like; see statement
	role       string // of a setting
	mighty     bool   // only a superuser may
	public     bool   // of schema public, which every database has, and not of the database
	untold     bool   // its SQL is not shown: a setting may hold a secret
	after      bool   // it would bite ourselves: never before the target is open
}

// biting are settings that would change what our own sessions do on the target: the guard's, and those
// that a session of ours does not pin.
var biting = []string{
	"default_transaction_read_only", "role", "session_replication_role", "temp_file_limit",
	"default_tablespace", "default_table_access_method", "temp_tablespaces",
}

// properties are what the source's database has and the target's lacks.
func properties(src, dst *Site) []property {
	var list []property
	for _, s := range src.Settings {
		if slices.ContainsFunc(dst.Settings, func(h Setting) bool { return h.Role == s.Role && h.Name == s.Name && h.Value == s.Value }) {
			continue
		}
		p := property{kind: "database setting", name: s.Name, role: s.Role, untold: true, mighty: s.Mighty || s.Role != "",
			after: slices.Contains(biting, s.Name), sql: "SET " + pg.Ident(s.Name) + " = " + s.Value}
		if s.Role != "" {
			p.name += " of role " + s.Role
		}
		list = append(list, p)
	}
	list = append(list, rights(src, dst, src.Database.Rights, dst.Database.Rights, "right on the database")...)
	if c := src.Database.Comment; c != "" && c != dst.Database.Comment {
		list = append(list, property{kind: "comment", name: "on the database", sql: "COMMENT " + pg.Literal(c), untold: true})
	}
	if n := src.Database.ConnectionLimit; n != dst.Database.ConnectionLimit && n >= 0 {
		list = append(list, property{kind: "connection limit", name: "of the database", sql: fmt.Sprintf("CONNECTION LIMIT %d", n), after: true})
	}
	if o := src.Database.Owner; o != dst.Database.Owner && o != src.Role && !(src.Roles[o].Superuser && dst.Roles[dst.Database.Owner].Superuser) {
		list = append(list, property{kind: "owner", name: "of the database", sql: "OWNER TO " + pg.Ident(o), mighty: true, after: true})
	}
	return list
}

// publicProperties are those of schema public, which is there before pg_dump's text of it: what that
// says is refused where another role owns the schema, and may be so all the same.
func publicProperties(src, dst *Site) []property {
	a, b := src.Public, dst.Public
	if a == nil || b == nil {
		return nil // it was dropped: then pg_dump makes it, or drops it
	}
	list := rights(src, dst, a.Rights, b.Rights, "right on schema public")
	if a.Comment != b.Comment { // also where it was taken away, which pg_dump leaves out
		list = append(list, property{kind: "comment", name: "on schema public", sql: "COMMENT " + pg.Literal(a.Comment), untold: true})
	}
	for i := range list {
		list[i].public = true
	}
	return list
}

// rights are compared but for those of the roles that move the database: they have theirs on one side.
func rights(src, dst *Site, have, there []Right, kind string) []property {
	var list []property
	ours := func(r Right) bool {
		return r.Grantee == src.Role || r.Grantee == dst.Role || r.Grantee == dst.Database.Owner
	}
	who := func(r Right) string {
		if r.Grantee == "" {
			return "PUBLIC"
		}
		return pg.Ident(r.Grantee)
	}
	for _, r := range have {
		if ours(r) || slices.ContainsFunc(there, func(h Right) bool {
			return h.Grantee == r.Grantee && h.Privilege == r.Privilege && (h.Grantable || !r.Grantable)
		}) {
			continue
		}
		sql := "GRANT " + r.Privilege + " TO " + who(r)
		if r.Grantable {
			sql += " WITH GRANT OPTION"
		}
		list = append(list, property{kind: kind, name: r.Privilege + " of " + cmp.Or(r.Grantee, "PUBLIC"), sql: sql})
	}
	for _, h := range there {
		if h.Grantee == "" && !slices.ContainsFunc(have, func(r Right) bool { return r.Grantee == "" && r.Privilege == h.Privilege }) {
			list = append(list, property{kind: kind, name: h.Privilege + " of PUBLIC, which only the target has",
				sql: "REVOKE " + h.Privilege + " FROM PUBLIC"})
		}
	}
	return list
}

// statement is p's SQL for a database of this name, quoted.
func (p *property) statement(database string) string {
	verb, rest, _ := strings.Cut(p.sql, " ")
	on := " ON DATABASE " + database
	if p.public {
		on = " ON SCHEMA public"
	}
	switch verb {
	case "GRANT", "REVOKE":
		privilege, whom, _ := strings.Cut(rest, " ")
		return verb + " " + privilege + on + " " + whom
	case "COMMENT":
		return "COMMENT" + on + " IS " + rest
	}
	if p.role != "" {
		return "ALTER ROLE " + pg.Ident(p.role) + " IN DATABASE " + database + " " + p.sql
	}
	return "ALTER DATABASE " + database + " " + p.sql
}

// carried reports whether our role on the target may do it, and nothing of ours is harmed by it.
func (p *property) carried(dst *Site) bool {
	if p.public {
		return dst.Superuser || dst.Public.Ours
	}
	return !p.after && (dst.Superuser || dst.Owner && !p.mighty)
}

// DatabaseSteps gives the target's database what the source's has and our role may give.
func DatabaseSteps(src, dst *Site) []Step {
	var steps []Step
	for _, p := range properties(src, dst) {
		if !p.carried(dst) {
			continue
		}
		const mark = "\x00"
		said := strings.Split(p.statement(mark), mark)
		body := "BEGIN EXECUTE " + pg.Literal(said[0]) + " || pg_catalog.quote_ident(pg_catalog.current_database()) || " + pg.Literal(strings.Join(said[1:], "")) + "; END"
		steps = append(steps, Step{ID: "DATABASE " + p.kind + " " + p.name, Kind: "DATABASE", Name: p.kind + " " + p.name,
			SQL: "DO " + pg.Literal(body) + ";", Tolerate: []string{insufficientPrivilege}})
	}
	for _, p := range publicProperties(src, dst) {
		if p.kind == "comment" && src.Public.Comment == "" && p.carried(dst) { // of others pg_dump tells
			steps = append(steps, Step{ID: "DATABASE " + p.kind + " " + p.name, Kind: "DATABASE", Name: p.kind + " " + p.name,
				SQL: p.statement("") + ";", Tolerate: []string{insufficientPrivilege}})
		}
	}
	return steps
}

// DatabaseSQL is the SQL for a DBA that gives the target's database what we may not, and the names of
// these things. It may hold secrets.
func DatabaseSQL(src, dst *Site) (names, sql []string) {
	for _, p := range append(properties(src, dst), publicProperties(src, dst)...) {
		if p.carried(dst) {
			continue
		}
		names = append(names, p.kind+" "+p.name)
		if s := p.statement(pg.Ident(dst.Database.Name)); p.after {
			sql = append(sql, "-- when the target is open: "+strings.ReplaceAll(s, "\n", " ")+";")
		} else {
			sql = append(sql, s)
		}
	}
	return names, sql
}

// databaseItems names what is not carried. made says that what our role may carry was carried before:
// what differs now has changed since.
func databaseItems(src, dst *Site, made bool) []Item {
	var items []Item
	for _, p := range append(properties(src, dst), publicProperties(src, dst)...) {
		i := Item{p.kind, p.name, "not so on the target: our role may not change it", "replicator check prints the SQL", true}
		switch {
		case p.after:
			i.Why = "not so on the target: it would hinder the move"
		case p.carried(dst) && !made:
			continue
		case p.carried(dst):
			i.Why = "not so on the target: it was changed since the seed"
		}
		if !p.untold {
			i.Do = p.statement(pg.Ident(dst.Database.Name))
		}
		if p.after {
			i.Do = "when the target is open: " + i.Do
		}
		items = append(items, i)
	}
	a, b := &src.Database, &dst.Database
	for _, f := range []struct {
		kind, was, is string
		loss          bool
	}{
		{"encoding", a.Encoding, b.Encoding, false},
		{"collation", a.locale(), b.locale(), true},
		{"tablespace", a.Tablespace, b.Tablespace, false},
	} {
		if f.was != f.is {
			items = append(items, Item{f.kind, "of the database", "is " + f.was + " on the source and " + f.is + " on the target", "", f.loss})
		}
	}
	return items
}

// locale is what text sorts by, but for its version.
func (d *Database) locale() string {
	return strings.Join(strings.Fields(strings.Join([]string{d.Provider, d.Collate, d.CType, d.Locale}, " ")), " ")
}
