package check

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// RolesSetup is the SQL that makes on the target the roles that the source's database refers to, their
// groups and their members, with attributes, memberships and settings; with passwords only where asked.
func RolesSetup(ctx context.Context, o SetupOptions) (string, error) {
	r, err := sourceRun(ctx, o, o.SourceDSN)
	if err != nil {
		return "", err
	}
	defer r.src.conn.Close()
	if o.DSN != "" {
		if r.dst, err = connect(ctx, Target, o.DSN); err != nil {
			return "", err
		}
		defer r.dst.conn.Close()
	}
	var passwords map[string]string
	if o.Passwords {
		passwords, err = schema.Passwords(ctx, r.src.conn)
		if pg.State(err) == "42501" {
			return "", fault.New(fault.Preflight, errors.New("the source role may not read passwords"), "GRANT pg_read_all_data, or run it as a superuser of the source")
		}
		if err != nil {
			return "", r.src.failed(err)
		}
	}
	sql, err := r.rolesSQL(ctx, passwords)
	if err != nil {
		return "", err
	}
	var s script
	s.part(fmt.Sprintf("TARGET: the roles of database %s. Run it as a superuser; it may be run again.", r.src.Database))
	if o.Passwords {
		s.part("The passwords are scrambled, but who has them can try others against them: keep this file to yourself.")
	}
	s.add(sql...)
	return s.b.String(), nil
}

// rolesSQL makes what the target's roles lack, as far as the target is there to ask.
func (r *run) rolesSQL(ctx context.Context, passwords map[string]string) ([]string, error) {
	if err := r.sites(ctx); err != nil {
		return nil, err
	}
	wanted, err := r.wantedRoles(ctx)
	if err != nil {
		return nil, err
	}
	names := column(wanted, 0)
	if r.o.Select.IsZero() {
		referred, err := schema.ReferredRoles(ctx, r.src.conn, r.src.site.Roles)
		if err != nil {
			return nil, r.src.failed(err)
		}
		names = append(names, referred...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var have map[string]schema.Role
	if r.dst != nil {
		have = r.dst.site.Roles
	}
	return schema.RolesSQL(names, r.src.site.Roles, have, passwords), nil
}
