package check

import (
	"context"
	"fmt"
)

// sameGeneration is the version from which on a column is generated in a child as in its parent, or in neither.
const sameGeneration = 160000

// generatedHeirs: until 15 a child's column may be generated where its parent's is not.
func (r *run) generatedHeirs(ctx context.Context) error {
	if r.dst.Version < sameGeneration {
		return nil
	}
	rows, err := r.inScope(ctx, `SELECT `+qualified+` || '.' || a.attname,
			format('BEGIN; ALTER TABLE %s NO INHERIT %s; ALTER TABLE %1$s ALTER COLUMN %3$I DROP EXPRESSION; ALTER TABLE %1$s INHERIT %2$s; COMMIT',
				format('%I.%I', n.nspname, c.relname), (SELECT format('%I.%I', m.nspname, u.relname) FROM pg_class u JOIN pg_namespace m ON m.oid = u.relnamespace WHERE u.oid = i.inhparent), a.attname)
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			JOIN pg_attribute a ON a.attrelid = i.inhrelid AND a.attnum > 0 AND a.attgenerated <> ''
			JOIN pg_attribute p ON p.attrelid = i.inhparent AND p.attnum > 0 AND p.attname = a.attname AND p.attgenerated = ''
		WHERE c.oid = ANY ($1::oid[]) AND $2::oid[] IS NOT NULL AND NOT c.relispartition ORDER BY 1, 2`)
	if err != nil || len(rows) == 0 {
		return err
	}
	names := column(rows, 0)
	r.add(Finding{ID: "generated-heirs", Level: Must, Side: Source, Subject: "generated columns of children", Names: names, SQL: lines(column(rows, 1)...),
		Text: fmt.Sprintf("%d, generated in a child and not in its parent, which PostgreSQL %d does not make: %s", len(names), r.dst.major(), few(names)),
		Hint: "the values stay; a trigger can go on computing them"})
	return nil
}
