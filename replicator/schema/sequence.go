package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/replicator/pg"
)

// Sequence is a sequence, free, owned by a column (serial) or part of one (identity).
type Sequence struct {
	Relation
	Table    uint32 `json:"table,omitempty"` // OID of the table that owns it, 0 none
	Column   string `json:"column,omitempty"`
	Identity bool   `json:"identity,omitempty"`
	Leaf     bool   `json:"leaf,omitempty"` // of a partition's own identity column
}

// Sequences lists the sequences that sel means. As with pg_dump, a table brings along those that
// its columns own.
func Sequences(ctx context.Context, conn *pg.Conn, sel Selection) ([]Sequence, error) {
	rows, err := relations(ctx, conn, sel, `SELECT c.oid, n.nspname, c.relname, r.rolname,
			COALESCE(o.refobjid, 0), COALESCE(a.attname, ''), COALESCE(o.deptype = 'i', false),
			COALESCE(o.deptype = 'i' AND (SELECT relispartition FROM pg_class WHERE oid = o.refobjid), false)
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
		list[i] = Sequence{Relation: relation(r), Table: oid(r[4]), Column: r[5], Identity: r[6] == "t", Leaf: r[7] == "t"}
	}
	return list, nil
}

// SequenceValue is where a sequence stands: what setval takes.
type SequenceValue struct {
	Relation
	Last   string `json:"last"`
	Called string `json:"called"` // t or f
}

// sequencesAtOnce bounds the query that reads many sequences: each takes a lock.
const sequencesAtOnce = 500

// SequenceValues reads all sequences that sel means and that a target of the version has. WAL does not
// carry them: they are read once, after the last writer has gone.
func SequenceValues(ctx context.Context, conn *pg.Conn, sel Selection, target int) ([]SequenceValue, error) {
	sequences, err := Sequences(ctx, conn, sel)
	if err != nil {
		return nil, err
	}
	sequences = slices.DeleteFunc(sequences, func(s Sequence) bool { return s.Leaf && target >= oneIdentity })
	values := make([]SequenceValue, 0, len(sequences))
	for part := range slices.Chunk(sequences, sequencesAtOnce) {
		queries := make([]string, len(part))
		for i := range part {
			queries[i] = fmt.Sprintf("SELECT %d, last_value, is_called FROM %s", i, part[i].Qualified())
		}
		rows, err := conn.Query(ctx, strings.Join(queries, " UNION ALL ")+" ORDER BY 1")
		if err != nil {
			return nil, fmt.Errorf("read sequences: %w", err)
		}
		for i, r := range rows {
			values = append(values, SequenceValue{Relation: part[i].Relation, Last: r[1], Called: r[2]})
		}
	}
	return values, nil
}
