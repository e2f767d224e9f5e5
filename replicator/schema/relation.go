package schema

import (
	"context"
	"fmt"
	"strings"

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

// oneLine is a name as pg_dump's headers have it, and so the IDs of steps.
var oneLine = strings.NewReplacer("\n", " ", "\r", " ")

// Tag is the relation's name in the IDs of steps.
func (r *Relation) Tag() string { return oneLine.Replace(r.String()) }

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
