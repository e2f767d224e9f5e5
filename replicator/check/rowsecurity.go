package check

import (
	"context"
	"fmt"
)

// rowSecurity: policies hide rows from everybody but a table's owner, superusers and BYPASSRLS. Our
// sessions make that an error and never a silent loss; here it is told beforehand, for the sides that are there.
func (r *run) rowSecurity(ctx context.Context) error {
	rows, err := r.src.query(ctx, `SELECT `+qualified+`, c.relforcerowsecurity, pg_has_role(c.relowner, 'USAGE'), o.rolname
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
		WHERE c.oid = ANY ($1::oid[]) AND c.relrowsecurity ORDER BY 1`, r.oids)
	if err != nil {
		return err
	}
	owns, err := r.inherited(ctx, column(rows, 3))
	if err != nil {
		return err
	}
	var hidden [2][]string
	for _, row := range rows {
		forced := row[1] == "t"
		if forced || row[2] != "t" {
			hidden[0] = append(hidden[0], row[0])
		}
		// A role that is missing on the target is a finding of its own.
		if mine, known := owns[row[3]]; forced || known && !mine {
			hidden[1] = append(hidden[1], row[0])
		}
	}
	for i, s := range r.sides() {
		if s.seesAll() || len(hidden[i]) == 0 {
			r.ok("row-security", s.name, "row security", "hides nothing from the role (%s with policies)", count(len(rows), "table"))
			continue
		}
		r.add(Finding{ID: "row-security", Level: Must, Side: s.name, Subject: "row security", Names: hidden[i],
			Text: fmt.Sprintf("hides rows of %s from role %s: %s", count(len(hidden[i]), "table"), s.Role, few(hidden[i])),
			SQL:  lines(fmt.Sprintf("ALTER ROLE %s BYPASSRLS", s.role()))})
	}
	return nil
}

// inherited tells which of these roles' rights the target role has without SET ROLE. Roles that the
// target does not know are left out.
func (r *run) inherited(ctx context.Context, owners []string) (map[string]bool, error) {
	if r.dst == nil {
		return nil, nil
	}
	rows, err := r.dst.query(ctx, `SELECT rolname, pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname = ANY ($1::text[])`, textArray(owners))
	if err != nil {
		return nil, err
	}
	m := make(map[string]bool, len(rows))
	for _, row := range rows {
		m[row[0]] = row[1] == "t"
	}
	return m, nil
}
