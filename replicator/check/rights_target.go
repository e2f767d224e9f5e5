package check

import (
	"context"
	"fmt"
	"slices"

	"replicator/replicator/pg"
)

// targetRights: the role may make schemas and write rows.
func (r *run) targetRights(ctx context.Context) error {
	create, err := r.dst.value(ctx, "SELECT has_database_privilege(current_database(), 'CREATE')")
	if err != nil {
		return err
	}
	f := Finding{ID: "create", Level: OK, Side: Target, Subject: "CREATE", Text: "the role may make schemas"}
	if create != "t" {
		f.Level, f.Text = Must, fmt.Sprintf("role %s may not make schemas in the database", r.dst.Role)
		f.SQL = lines(fmt.Sprintf("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %s TO %s", r.dst.database(), r.dst.role()))
	}
	r.add(f)
	return nil
}

// allData: rows are read and written after their table has its owner, so that we need the owner's
// rights, or the right to everything.
func (r *run) allData(ctx context.Context, owners []owner) error {
	inherits := !slices.ContainsFunc(owners, func(o owner) bool { return !o.usage })
	for _, m := range []struct{ id, role, verb string }{
		{"read-all", "pg_read_all_data", "read"}, {"write-all", "pg_write_all_data", "write"},
	} {
		has, err := r.dst.value(ctx, "SELECT pg_has_role($1, 'USAGE')", m.role)
		if err != nil {
			return err
		}
		if has == "t" || inherits {
			r.ok(m.id, Target, m.role, "the role may %s what it moved", m.verb)
			continue
		}
		r.add(Finding{ID: m.id, Level: Must, Side: Target, Subject: m.role,
			Text: fmt.Sprintf("not granted, and the role lacks the owners' rights: it cannot %s what it moved", m.verb),
			SQL:  lines(fmt.Sprintf("GRANT %s TO %s", m.role, r.dst.role()))})
	}
	return nil
}

// replicaRole: without it the engine waits with triggers and foreign keys until catch-up.
func (r *run) replicaRole(ctx context.Context) error {
	sql := "SELECT has_parameter_privilege('session_replication_role', 'SET')"
	if r.dst.major() < 15 {
		sql = `SELECT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
			WHERE n.nspname || '.' || p.proname = ` + pg.Literal(replicaFunction) + ` AND p.pronargs = 0
				AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE'))`
	}
	has, err := r.dst.value(ctx, sql)
	if err != nil {
		return err
	}
	if has == "t" || r.dst.Superuser {
		r.ok("replica-role", Target, "session_replication_role", "can be set to replica")
		return nil
	}
	r.add(Finding{ID: "replica-role", Level: Note, Side: Target, Subject: "session_replication_role",
		Text: "cannot be set: foreign keys, triggers and rules wait until catch-up, which then takes longer",
		SQL:  replicaSQL(r.dst.Version, r.dst.Role)})
	return nil
}

// replicaFunction is target.ReplicaFunction, which lies in setupSchema.
const (
	setupSchema     = "replicator_setup"
	replicaFunction = setupSchema + ".be_replica"
)

// replicaSQL lets a role switch ordinary triggers off in its sessions. PostgreSQL 14 cannot grant
// that, so there a superuser's function does it; its setting must outlive the call, hence false.
func replicaSQL(version int, role string) string {
	if version >= 150000 {
		return lines("GRANT SET ON PARAMETER session_replication_role TO " + pg.Ident(role))
	}
	return lines(
		"CREATE SCHEMA IF NOT EXISTS "+setupSchema,
		"CREATE OR REPLACE FUNCTION "+replicaFunction+"() RETURNS text LANGUAGE sql SECURITY DEFINER\n"+
			"    SET search_path = pg_catalog, pg_temp AS $$SELECT pg_catalog.set_config('session_replication_role', 'replica', false)$$",
		"REVOKE ALL ON FUNCTION "+replicaFunction+"() FROM PUBLIC",
		"GRANT USAGE ON SCHEMA "+setupSchema+" TO "+pg.Ident(role),
		"GRANT EXECUTE ON FUNCTION "+replicaFunction+"() TO "+pg.Ident(role))
}
