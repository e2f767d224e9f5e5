package check

import (
	"context"
	"fmt"
)

// compression: a column that asks for lz4 cannot be made by a server that was built without it. How the
// values are compressed is no matter: the target does that itself.
func (r *run) compression(ctx context.Context) error {
	offered, err := r.dst.query(ctx, "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'")
	if err != nil || len(offered) == 1 && offered[0][0] == "t" {
		return err
	}
	rows, err := r.inScope(ctx, `SELECT `+qualified+` || '.' || a.attname, format('ALTER TABLE %I.%I ALTER COLUMN %I SET COMPRESSION default', n.nspname, c.relname, a.attname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.oid IN (SELECT m.obj FROM (`+r.moving()+`) m WHERE m.class = 'pg_class'::regclass)
			AND a.attnum > 0 AND NOT a.attisdropped AND a.attcompression = 'l' ORDER BY 1`)
	if err != nil || len(rows) == 0 {
		return err
	}
	names := column(rows, 0)
	r.add(Finding{ID: "compression", Level: Must, Side: Source, Subject: "compression", Names: names, SQL: lines(column(rows, 1)...),
		Text: fmt.Sprintf("%s compressed with lz4, which the target was built without: %s", count(len(names), "column"), few(names)),
		Hint: "or take a target that was built with lz4; the SQL leaves the values that are there as they are"})
	return nil
}
