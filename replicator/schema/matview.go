package schema

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// MaterializedView is filled by REFRESH on the target, never copied.
type MaterializedView struct {
	Relation
	Populated bool `json:"populated"`        // on the source; one that is not stays so
	Rights    bool `json:"rights,omitempty"` // some were granted or taken away, perhaps from the owner
}

// MaterializedViews lists the materialized views that sel means in an order in which REFRESH sees
// filled what it reads, also through plain views. What a function reads is not known to anybody.
func MaterializedViews(ctx context.Context, conn *pg.Conn, sel Selection) ([]MaterializedView, error) {
	rows, err := relations(ctx, conn, sel, `SELECT c.oid, n.nspname, c.relname, r.rolname, c.relispopulated, c.relacl IS NOT NULL
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
		WHERE c.relkind = 'm' AND c.oid = ANY ($1::oid[]) ORDER BY n.nspname, c.relname`)
	if err != nil {
		return nil, fmt.Errorf("list materialized views: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	reads, err := viewReads(ctx, conn)
	if err != nil {
		return nil, err
	}
	views := make(map[uint32]MaterializedView, len(rows))
	order := make([]uint32, len(rows))
	for i, r := range rows {
		order[i] = oid(r[0])
		views[order[i]] = MaterializedView{Relation: relation(r), Populated: r[4] == "t", Rights: r[5] == "t"}
	}
	var list []MaterializedView
	for _, o := range readFirst(order, reads) {
		if v, ok := views[o]; ok {
			list = append(list, v)
		}
	}
	return list, nil
}

// maintain is the version from which on REFRESH takes a right that can be taken from the owner. Where pg_dump
// of before lists an owner's rights one by one, that one is not among them.
const maintain = 170000

// refresh fills it as its owner, who gets the right to that for as long where it is missing.
func (v *MaterializedView) refresh(target int) string {
	refresh := "REFRESH MATERIALIZED VIEW " + v.Qualified() + ";"
	if target < maintain || !v.Rights {
		return refresh
	}
	may := " MAINTAIN ON " + v.Qualified()
	return "DO " + pg.Literal("BEGIN IF pg_catalog.has_table_privilege("+pg.Literal(v.Owner)+", "+pg.Literal(v.Qualified())+", 'MAINTAIN') THEN "+refresh+
		" ELSE GRANT"+may+" TO "+pg.Ident(v.Owner)+"; "+refresh+" REVOKE"+may+" FROM "+pg.Ident(v.Owner)+"; END IF; END") + ";"
}

// viewReads says which views and materialized views each of them reads.
func viewReads(ctx context.Context, conn *pg.Conn) (map[uint32][]uint32, error) {
	rows, err := conn.Query(ctx, `SELECT DISTINCT w.ev_class, d.refobjid
		FROM pg_rewrite w
			JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
			JOIN pg_class p ON p.oid = d.refobjid
		WHERE w.ev_type = '1' AND d.refclassid = 'pg_class'::regclass
			AND p.relkind IN ('v', 'm') AND d.refobjid <> w.ev_class
		ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("list what views read: %w", err)
	}
	reads := map[uint32][]uint32{}
	for _, r := range rows {
		reads[oid(r[0])] = append(reads[oid(r[0])], oid(r[1]))
	}
	return reads, nil
}

// readFirst orders views so that each comes after all that it reads.
func readFirst(views []uint32, reads map[uint32][]uint32) []uint32 {
	var order []uint32
	seen := map[uint32]bool{}
	var visit func(o uint32)
	visit = func(o uint32) {
		if seen[o] {
			return
		}
		seen[o] = true
		for _, r := range reads[o] {
			visit(r)
		}
		order = append(order, o)
	}
	for _, o := range views {
		visit(o)
	}
	return order
}
