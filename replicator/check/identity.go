package check

import (
	"context"
	"fmt"
	"slices"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// identity: how UPDATE and DELETE name their row. A table without an identity is never published,
// since its application could not update it any more (invariant I9): it is copied at the fence, or
// gets REPLICA IDENTITY FULL.
func (r *run) identity(ctx context.Context) error {
	var keyed int
	var none, full, unlogged []*chunker.Table
	for i := range r.tables {
		switch t := &r.tables[i]; {
		case t.Unlogged:
			unlogged = append(unlogged, t)
		case t.Identity == chunker.IdentityNone:
			none = append(none, t)
		case t.Identity == chunker.IdentityFull:
			full = append(full, t)
		default:
			keyed++
		}
	}
	r.ok("identity", Source, "replica identity", "%s with a key", count(keyed, "table"))
	if len(full) > 0 {
		names, _ := sized(full)
		r.add(Finding{ID: "identity-full", Level: Note, Side: Source, Subject: "replica identity", Names: names,
			Text: fmt.Sprintf("%s with REPLICA IDENTITY FULL, whose updates are slow to apply: %s", count(len(full), "table"), few(names))})
	}
	if len(unlogged) > 0 {
		names, bytes := sized(unlogged)
		r.add(Finding{ID: "unlogged", Level: Note, Side: Source, Subject: "unlogged tables", Names: names,
			Text: fmt.Sprintf("%s, %s, write no WAL and are copied at the fence: %s", count(len(names), "table"), size(bytes), few(names))})
	}
	if len(none) == 0 {
		return nil
	}
	return r.noIdentity(ctx, none)
}

func (r *run) noIdentity(ctx context.Context, none []*chunker.Table) error {
	oids := oidArray(r.tables, func(t *chunker.Table) bool { return !t.Unlogged && t.Identity == chunker.IdentityNone })
	rows, err := r.src.query(ctx, lacking, oids)
	if err != nil {
		return err
	}
	answer := make(map[string][]string, len(rows))
	var deferrable, foreign []string
	for _, row := range rows {
		answer[row[0]] = row
		if row[1] == "t" {
			deferrable = append(deferrable, row[4])
		}
		if row[2] != "t" {
			foreign = append(foreign, row[4])
		}
	}
	names, bytes := sized(none)
	f := Finding{ID: "no-identity", Level: Note, Side: Source, Subject: "replica identity", Names: names, SQL: identitySQL(none, answer, r.o.NoKey)}
	f.Text = fmt.Sprintf("%s, %s, without a usable replica identity: %s", count(len(none), "table"), size(bytes), few(names))
	if len(deferrable) > 0 {
		f.Text += fmt.Sprintf("; a deferrable primary key counts as none: %s", few(deferrable))
	}
	if barred := slices.DeleteFunc(slices.Clone(none), func(t *chunker.Table) bool { return !t.NotFull }); len(barred) > 0 {
		names, _ := sized(barred)
		f.Text += fmt.Sprintf("; generated columns bar a full one from PostgreSQL 18 on, and these are copied at the fence: %s", few(names))
	}
	if r.o.NoKey == "full" {
		f.Text += "; seed --no-key full sets REPLICA IDENTITY FULL"
		if len(foreign) > 0 && !r.src.Superuser {
			f.Level = Must
			f.Text += ", for which role " + r.src.Role + " lacks the right on " + few(foreign)
			f.Hint = "let the tables' owners run it, in a quiet minute: each statement waits for running transactions on its table"
		}
	} else {
		f.Text += "; they are copied at the fence (--no-key late), while the database is closed"
		f.Hint = "leave it so where that time is bearable, or run the SQL in a quiet minute, before seed; never publish such a table without"
	}
	r.add(f)
	return nil
}

// lacking tells of each table whether its primary key is deferrable, whether we may alter it, and
// the unique index that could be its identity.
const lacking = `SELECT c.oid,
		EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND NOT i.indimmediate),
		pg_has_role(c.relowner, 'USAGE'),
		COALESCE((SELECT ic.relname FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
			WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready AND i.indislive
				AND i.indpred IS NULL AND i.indexprs IS NULL
				AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
					AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) AND (NOT a.attnotnull OR a.attgenerated <> ''))
			ORDER BY i.indnkeyatts, ic.relname LIMIT 1), ''),
		` + qualified + `
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.oid = ANY ($1::oid[]) ORDER BY n.nspname, c.relname`

// identitySQL gives each table the cheapest identity that it can have.
func identitySQL(none []*chunker.Table, answer map[string][]string, noKey string) string {
	var sql []string
	for _, t := range none {
		index := ""
		if a := answer[fmt.Sprint(t.OID)]; a != nil {
			index = a[3]
		}
		switch {
		case index != "" && (noKey != "full" || t.NotFull):
			sql = append(sql, fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", t.Qualified(), pg.Ident(index)))
		case !t.NotFull:
			sql = append(sql, fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL", t.Qualified()))
		}
	}
	return lines(sql...)
}

// sized names tables with their sizes, largest first, and adds the sizes up.
func sized(tables []*chunker.Table) ([]string, int64) {
	slices.SortStableFunc(tables, func(a, b *chunker.Table) int { return int(b.Bytes>>10) - int(a.Bytes>>10) })
	names := make([]string, len(tables))
	var sum int64
	for i, t := range tables {
		names[i] = fmt.Sprintf("%s (%s)", t, size(t.Bytes))
		sum += t.Bytes
	}
	return names, sum
}
