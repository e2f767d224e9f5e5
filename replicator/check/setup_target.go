package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// TargetSetup is the SQL that a superuser runs on the target.
func TargetSetup(ctx context.Context, o SetupOptions) (string, error) {
	if o.Role == "" {
		o.Role = DefaultTargetRole
	}
	var dst *side
	var target Server
	if o.DSN != "" {
		var err error
		if dst, err = connect(ctx, Target, o.DSN); err != nil {
			return "", err
		}
		defer dst.conn.Close()
		target = dst.Server
	}
	var s script
	s.part("TARGET: what role " + o.Role + " needs. Run it as a superuser, connected to the database that will be filled.")
	s.login(o.Role, "")
	s.part("Make schemas, read and write everything.")
	s.add(onDatabase(target.Database, "CONNECT, CREATE, TEMPORARY", o.Role), fmt.Sprintf("GRANT pg_read_all_data, pg_write_all_data TO %s", pg.Ident(o.Role)))
	s.replica(target.Version, o.Role)
	s.part("While the job runs the database is read-only by default for everybody else: see docs/check.md.")
	s.add(guardSQL(o.Role))
	if o.SourceDSN == "" {
		s.generalOwners(o.Role)
		return s.b.String(), nil
	}
	r, err := sourceRun(ctx, o, o.SourceDSN)
	if err != nil {
		return "", err
	}
	defer r.src.conn.Close()
	r.dst = dst
	if err := r.targetParts(ctx, o.Role, &s); err != nil {
		return "", err
	}
	return s.b.String(), nil
}

// replica lets rows be written without firing triggers and checking foreign keys.
func (s *script) replica(version int, role string) {
	s.part("Rows are written as a replica does: triggers, rules and foreign keys have done their work on the source.")
	if version > 0 {
		s.add(replicaSQL(version, role))
		return
	}
	indent := func(sql string) string { return "        " + strings.ReplaceAll(sql, "\n", "\n        ") + "\n" }
	// EXECUTE, because version 14 cannot even parse the GRANT.
	grant := strings.TrimSuffix(replicaSQL(newest*10000, role), ";")
	s.add(block("    IF current_setting('server_version_num')::int >= 150000 THEN\n" + indent("EXECUTE "+pg.Literal(grant)+";") +
		"    ELSE\n" + indent(replicaSQL(oldest*10000, role)) + "    END IF;\n"))
}

// generalOwners says what cannot be known without the source.
func (s *script) generalOwners(role string) {
	s.part("For every role that owns objects on the source (with --source this prints them):")
	s.comment("GRANT the_owner TO "+pg.Ident(role)+";", "GRANT CREATE ON SCHEMA public TO the_owner;")
	s.part("Only if a table of the source has forced row security:")
	s.comment(fmt.Sprintf("ALTER ROLE %s BYPASSRLS;", pg.Ident(role)))
}

// targetParts is what depends on the source's objects.
func (r *run) targetParts(ctx context.Context, role string, s *script) error {
	if err := r.rolesPart(ctx, s); err != nil {
		return err
	}
	if err := r.ownersPart(ctx, role, s); err != nil {
		return err
	}
	if err := r.schemasPart(ctx, s); err != nil {
		return err
	}
	forced, err := r.src.value(ctx, "SELECT count(*) FROM pg_class WHERE oid = ANY ($1::oid[]) AND relrowsecurity AND relforcerowsecurity", r.oids)
	if err != nil {
		return err
	}
	if forced != "0" {
		s.part(fmt.Sprintf("Row security is forced upon the owner of %s.", count(number(forced), "table")))
		s.add(fmt.Sprintf("ALTER ROLE %s BYPASSRLS", pg.Ident(role)))
	}
	if err := r.databasePart(ctx, s); err != nil {
		return err
	}
	return r.extensionsPart(ctx, role, s)
}

func (r *run) rolesPart(ctx context.Context, s *script) error {
	sql, err := r.rolesSQL(ctx, nil)
	if err != nil || len(sql) == 0 {
		return err
	}
	s.part("Roles that own objects or have rights on the source, their groups and members, without passwords:\nreplicator sql roles --passwords prints these, too.")
	s.add(sql...)
	return nil
}

// databasePart is what only the database's owner may give it.
func (r *run) databasePart(ctx context.Context, s *script) error {
	if r.dst == nil || !r.o.Select.IsZero() {
		return nil
	}
	if err := r.sites(ctx); err != nil {
		return err
	}
	// What our role, which is not the one that reads here, will not be allowed to.
	plain := *r.dst.site
	plain.Superuser, plain.Owner = false, false
	_, sql := schema.DatabaseSQL(r.src.site, &plain)
	if len(sql) > 0 {
		s.part("Settings, rights and comment of the database as on the source, which pg_dump leaves out.")
		s.add(sql...)
	}
	return nil
}

func (r *run) ownersPart(ctx context.Context, role string, s *script) error {
	owners, err := r.ownerNames(ctx)
	if err != nil || len(owners) == 0 {
		return err
	}
	version := 0
	if r.dst != nil {
		version = r.dst.Version
	}
	s.part("Objects get their owners, which takes membership. Revoke it when the move is over.")
	for _, o := range owners {
		if o[0] == role {
			continue
		}
		if o[1] == "t" {
			s.part(o[0] + " is a superuser on the source; if it is one here, too, then this makes " + role + " as mighty until it is revoked.")
		}
		s.add(memberSQL(version, o[0], role))
	}
	return nil
}

// schemasPart: in public only, unless the target is there to ask: the other schemas come with us.
func (r *run) schemasPart(ctx context.Context, s *script) error {
	pairs, err := r.ownersBySchema(ctx)
	if err != nil {
		return err
	}
	fits := func(p []string) bool { return p[0] != "public" }
	if r.dst != nil {
		lack, err := r.dst.query(ctx, `SELECT n.nspname || ' ' || w.owner FROM unnest($1::text[], $2::text[]) AS w(nsp, owner)
				JOIN pg_namespace n ON n.nspname = w.nsp LEFT JOIN pg_roles o ON o.rolname = w.owner
			WHERE o.oid IS NULL OR NOT has_schema_privilege(o.oid, n.oid, 'CREATE')`, textArray(column(pairs, 0)), textArray(column(pairs, 1)))
		if err != nil {
			return err
		}
		names := column(lack, 0)
		fits = func(p []string) bool { return !slices.Contains(names, p[0]+" "+p[1]) }
	}
	var sql []string
	for _, p := range pairs {
		if !fits(p) {
			sql = append(sql, fmt.Sprintf("GRANT CREATE ON SCHEMA %s TO %s", pg.Ident(p[0]), pg.Ident(p[1])))
		}
	}
	if len(sql) > 0 {
		s.part("Owners of objects in schemas that stand already.")
		s.add(sql...)
	}
	if r.dst == nil {
		return nil
	}
	rights, err := r.publicSQL(ctx)
	if err != nil || len(rights) == 0 {
		return err
	}
	s.part("Rights on schema public as on the source: only its owner may give them.")
	s.add(rights...)
	return nil
}

// extensionsPart lists what the role cannot install itself.
func (r *run) extensionsPart(ctx context.Context, role string, s *script) error {
	if r.dst == nil {
		return nil
	}
	list, err := r.readExtensions(ctx)
	if err != nil {
		return err
	}
	var sql []string
	for _, e := range list {
		switch {
		case e.installed != "" || e.trusted:
		case !e.available:
			sql = append(sql, "-- the server lacks the packages of "+e.name)
		default:
			sql = append(sql, extensionSQL(e)...)
		}
	}
	if len(sql) > 0 {
		s.part("Extensions that only a superuser may create.")
		s.add(sql...)
	}
	users, err := r.wrapperUsers(ctx)
	if err != nil || len(users) == 0 {
		return err
	}
	s.part("Foreign servers need their wrappers.")
	s.add(wrapperSQL(append(eachWith(users, role), users...))...)
	return nil
}
