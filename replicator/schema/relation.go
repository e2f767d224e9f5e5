package schema

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// Relation is what every kind of relation has.
type Relation struct {
	OID    uint32 `json:"oid"` // on the source
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Owner  string `json:"owner"`
}

// Qualified is the quoted name for SQL.
func (r *Relation) Qualified() string { return pg.Ident(r.Schema, r.Name) }

// String is the name for people and logs.
func (r *Relation) String() string { return r.Schema + "." + r.Name }

// Sequence is a sequence, free, owned by a column (serial) or part of one (identity).
type Sequence struct {
	Relation
	Table    uint32 `json:"table,omitempty"` // OID of the table that owns it, 0 none
	Column   string `json:"column,omitempty"`
	Identity bool   `json:"identity,omitempty"`
}

// ForeignTable is a table that lives elsewhere: its definition moves, its rows do not.
type ForeignTable struct {
	Relation
	Server string `json:"server"`
}

// PartitionedTable holds no rows of its own; its leaves are [Tables].
type PartitionedTable struct {
	Relation
	Parent uint32 `json:"parent,omitempty"` // OID of the partitioned table above it, 0 at the root
}

// Sequences lists the sequences that sel means. As with pg_dump, a table brings along those that
// its columns own.
func Sequences(ctx context.Context, conn *pg.Conn, sel Selection) ([]Sequence, error) {
	rows, err := relations(ctx, conn, sel, `SELECT c.oid, n.nspname, c.relname, r.rolname,
			COALESCE(o.refobjid, 0), COALESCE(a.attname, ''), COALESCE(o.deptype = 'i', false)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
			LEFT JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid
				AND o.refclassid = 'pg_class'::regclass AND o.deptype IN ('a', 'i') AND o.refobjsubid > 0
			LEFT JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
		WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND NOT `+member+` AND `+userSchema+`
			AND (o.refobjid = ANY ($1::oid[]) OR o.deptype IS DISTINCT FROM 'i' AND c.oid = ANY ($1::oid[]))
		ORDER BY n.nspname, c.relname`)
	if err != nil {
		return nil, fmt.Errorf("list sequences: %w", err)
	}
	list := make([]Sequence, len(rows))
	for i, r := range rows {
		list[i] = Sequence{Relation: relation(r), Table: oid(r[4]), Column: r[5], Identity: r[6] == "t"}
	}
	return list, nil
}

// ForeignTables lists the foreign tables that sel means.
func ForeignTables(ctx context.Context, conn *pg.Conn, sel Selection) ([]ForeignTable, error) {
	rows, err := relations(ctx, conn, sel, `SELECT c.oid, n.nspname, c.relname, r.rolname, s.srvname
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
			JOIN pg_foreign_table f ON f.ftrelid = c.oid JOIN pg_foreign_server s ON s.oid = f.ftserver
		WHERE c.oid = ANY ($1::oid[]) ORDER BY n.nspname, c.relname`)
	if err != nil {
		return nil, fmt.Errorf("list foreign tables: %w", err)
	}
	list := make([]ForeignTable, len(rows))
	for i, r := range rows {
		list[i] = ForeignTable{Relation: relation(r), Server: r[4]}
	}
	return list, nil
}

// PartitionedTables lists the partitioned tables that sel means.
func PartitionedTables(ctx context.Context, conn *pg.Conn, sel Selection) ([]PartitionedTable, error) {
	rows, err := relations(ctx, conn, sel, `SELECT c.oid, n.nspname, c.relname, r.rolname, COALESCE(i.inhparent, 0)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
			LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
		WHERE c.relkind = 'p' AND c.oid = ANY ($1::oid[]) ORDER BY n.nspname, c.relname`)
	if err != nil {
		return nil, fmt.Errorf("list partitioned tables: %w", err)
	}
	list := make([]PartitionedTable, len(rows))
	for i, r := range rows {
		list[i] = PartitionedTable{Relation: relation(r), Parent: oid(r[4])}
	}
	return list, nil
}

// relations runs a query whose $1 is what sel means.
func relations(ctx context.Context, conn *pg.Conn, sel Selection, sql string) ([][]string, error) {
	oids, err := sel.oids(ctx, conn)
	if err != nil {
		return nil, err
	}
	return conn.Query(ctx, sql, oids)
}

func relation(r []string) Relation {
	return Relation{OID: oid(r[0]), Schema: r[1], Name: r[2], Owner: r[3]}
}
