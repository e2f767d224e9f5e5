package check

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// extension is one of the source's, as the target knows it.
type extension struct {
	name, version, schema string
	available             bool
	installed             string // version, "" is not
	trusted               bool   // whoever may CREATE in the database may install it
}

// extensions: what the server's packages bring cannot be moved, only be there already.
func (r *run) extensions(ctx context.Context) error {
	list, err := r.readExtensions(ctx)
	if err != nil {
		return err
	}
	var absent, untrusted, sql, other []string
	for _, e := range list {
		switch {
		case !e.available && e.installed == "":
			absent = append(absent, e.name)
		case e.installed == "" && !e.trusted && !r.dst.Superuser:
			untrusted = append(untrusted, e.name)
			sql = append(sql, extensionSQL(e)...)
		case e.installed != "" && e.installed != e.version:
			other = append(other, fmt.Sprintf("%s %s (source %s)", e.name, e.installed, e.version))
		}
	}
	level := Must
	if !r.o.Select.IsZero() {
		level = Note // as with pg_dump, a selection leaves extensions out
	}
	if len(absent) > 0 {
		r.add(Finding{ID: "extension-absent", Level: level, Side: Target, Subject: "extensions", Names: absent,
			Text: "the target's server does not have them: " + few(absent), Hint: "install the packages that bring them"})
	}
	if len(untrusted) > 0 {
		r.add(Finding{ID: "extension-untrusted", Level: level, Side: Target, Subject: "extensions", Names: untrusted,
			Text: "only a superuser can create them: " + few(untrusted), SQL: lines(sql...)})
	}
	if len(other) > 0 {
		r.add(Finding{ID: "extension-version", Level: Note, Side: Target, Subject: "extensions", Names: other,
			Text: "installed in another version than on the source: " + few(other)})
	}
	if len(absent)+len(untrusted) == 0 {
		r.ok("extensions", Target, "extensions", "%s of the source can be had", count(len(list), "extension"))
	}
	return r.wrappers(ctx)
}

// readExtensions leaves out plpgsql, which every database has.
func (r *run) readExtensions(ctx context.Context) ([]extension, error) {
	rows, err := r.src.query(ctx, `SELECT extname, extversion, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
		WHERE extname <> 'plpgsql' ORDER BY e.oid`)
	if err != nil {
		return nil, err
	}
	there, err := r.dst.query(ctx, `SELECT a.name, COALESCE(a.installed_version, ''),
			COALESCE((SELECT bool_or(v.trusted) FROM pg_available_extension_versions v WHERE v.name = a.name AND v.version = a.default_version), false)
		FROM pg_available_extensions a WHERE a.name = ANY ($1::text[])
		UNION ALL
		SELECT extname, extversion, false FROM pg_extension WHERE extname = ANY ($1::text[]) AND extname NOT IN (SELECT name FROM pg_available_extensions)`,
		textArray(column(rows, 0)))
	if err != nil {
		return nil, err
	}
	at := make(map[string][]string, len(there))
	for _, t := range there {
		at[t[0]] = t
	}
	list := make([]extension, len(rows))
	for i, row := range rows {
		list[i] = extension{name: row[0], version: row[1], schema: row[2]}
		if t := at[row[0]]; t != nil {
			list[i].available, list[i].installed, list[i].trusted = true, t[1], t[2] == "t"
		}
	}
	return list, nil
}

// extensionSQL installs e where it lies on the source.
func extensionSQL(e extension) []string {
	var sql []string
	if e.schema != "public" && e.schema != "pg_catalog" {
		sql = append(sql, "CREATE SCHEMA IF NOT EXISTS "+pg.Ident(e.schema))
	}
	return append(sql, fmt.Sprintf("CREATE EXTENSION IF NOT EXISTS %s WITH SCHEMA %s", pg.Ident(e.name), pg.Ident(e.schema)))
}
