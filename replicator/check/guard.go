package check

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// guardFunction is target.GuardFunction, which lies in setupSchema.
const guardFunction = setupSchema + ".guard"

// guard: while the job runs the target is read-only by default for everybody else, which takes the
// right to change the database's settings.
func (r *run) guard(ctx context.Context) error {
	row, err := r.dst.query(ctx, `SELECT pg_has_role(datdba, 'USAGE') OR EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
			WHERE n.nspname || '.' || p.proname = $1 AND p.pronargs = 1
				AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE'))
		FROM pg_database WHERE datname = current_database()`, guardFunction)
	if err != nil {
		return err
	}
	if len(row) == 1 && row[0][0] == "t" {
		r.ok("guard", Target, "guard", "the database can be made read-only by default for others while the job runs")
		return nil
	}
	r.add(Finding{ID: "guard", Level: Note, Side: Target, Subject: "guard",
		Text: fmt.Sprintf("role %s may not change the database's settings: writes by others are seen where they can be, not prevented", r.dst.Role),
		SQL:  guardSQL(r.dst.Role)})
	return nil
}

// guardSQL lets a role change this one setting of the database it is connected to, and no other.
func guardSQL(role string) string {
	return lines(
		"CREATE SCHEMA IF NOT EXISTS "+setupSchema,
		"CREATE OR REPLACE FUNCTION "+guardFunction+"(setting text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER\n"+
			"    SET search_path = pg_catalog, pg_temp AS $$BEGIN\n"+
			"    IF setting IS NULL THEN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database());\n"+
			"    ELSE EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = %L', current_database(), setting); END IF;\n"+
			"END$$",
		"REVOKE ALL ON FUNCTION "+guardFunction+"(text) FROM PUBLIC",
		"GRANT USAGE ON SCHEMA "+setupSchema+" TO "+pg.Ident(role),
		"GRANT EXECUTE ON FUNCTION "+guardFunction+"(text) TO "+pg.Ident(role))
}
