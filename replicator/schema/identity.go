package schema

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// oneIdentity is the version from which on a partition's identity column is that of the table above, with
// one sequence for the whole tree. Before, a partition made with LIKE ... INCLUDING IDENTITY has its own,
// and a server from then on refuses to attach it.
const oneIdentity = 170000

// AlwaysColumn is an identity column that takes no value from outside but by COPY.
type AlwaysColumn struct {
	Relation
	Column    string `json:"column"`
	Partition bool   `json:"partition,omitempty"` // its table is one
}

func (f *Facts) readIdentities(ctx context.Context, conn *pg.Conn, oids string) error {
	rows, err := conn.Query(ctx, `SELECT c.oid, n.nspname, c.relname, r.rolname, a.attname, c.relispartition
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
		WHERE a.attidentity = 'a' AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND c.oid = ANY ($1::oid[])
		ORDER BY n.nspname, c.relname, a.attnum`, oids)
	if err != nil {
		return fmt.Errorf("list identity columns: %w", err)
	}
	for _, r := range rows {
		f.Always = append(f.Always, AlwaysColumn{Relation: relation(r), Column: r[4], Partition: r[5] == "t"})
	}
	leaves, err := conn.Query(ctx, `SELECT s FROM (`+leafIdentities+`) i`, oids)
	if err != nil {
		return fmt.Errorf("list identity columns of partitions: %w", err)
	}
	f.LeafIdentities = make(map[uint32]bool, len(leaves))
	for _, r := range leaves {
		f.LeafIdentities[oid(r[0])] = true
	}
	return f.readIdentityTypes(ctx, conn, oids)
}

// readIdentityTypes finds sequences of identity columns that are of another type: LIKE ... INCLUDING IDENTITY
// makes a bigint for an integer, with its bounds. pg_dump says nothing of it.
func (f *Facts) readIdentityTypes(ctx context.Context, conn *pg.Conn, oids string) error {
	rows, err := conn.Query(ctx, `SELECT s.seqrelid, format('ALTER SEQUENCE %I.%I AS %s MINVALUE %s MAXVALUE %s;',
			n.nspname, c.relname, format_type(s.seqtypid, NULL), s.seqmin, s.seqmax)
		FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'
			JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
		WHERE s.seqtypid <> a.atttypid AND d.refobjid = ANY ($1::oid[])`, oids)
	if err != nil {
		return fmt.Errorf("list sequences of identity columns: %w", err)
	}
	f.IdentityTypes = make(map[uint32]string, len(rows))
	for _, r := range rows {
		f.IdentityTypes[oid(r[0])] = r[1]
	}
	return nil
}

// leafIdentities are the identity columns that partitions among $1 have of their own, each with its sequence
// and whether the column is one in the table above, too.
const leafIdentities = `SELECT d.objid AS s, n.nspname || '.' || c.relname || '.' || a.attname AS name, EXISTS (SELECT FROM pg_inherits i
		JOIN pg_attribute p ON p.attrelid = i.inhparent AND p.attname = a.attname AND p.attidentity <> '' WHERE i.inhrelid = c.oid) AS above
	FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
	WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i' AND a.attidentity <> ''
		AND c.relispartition AND c.oid = ANY ($1::oid[])`

// ruledFromAbove finds identity columns of partitions that the target has of the table above, and what is
// said of their sequences.
func (p *planner) ruledFromAbove(entries []Entry) {
	if p.facts.Target < oneIdentity {
		return
	}
	for i := range entries {
		e := &entries[i]
		on := e
		if e.Type == "COMMENT" || e.Type == "ACL" || e.Type == "SECURITY LABEL" {
			on = p.objectOf(e)
		}
		p.ruled[e.ID] = on != nil && on.Type == "SEQUENCE" && p.facts.LeafIdentities[on.OID]
	}
}

// identityItems names the partitions whose identity column becomes that of the table above.
func identityItems(ctx context.Context, conn *pg.Conn, oids string, target *Site) ([]Item, error) {
	if target.Database.Version < oneIdentity {
		return nil, nil
	}
	rows, err := conn.Query(ctx, `SELECT name, above FROM (`+leafIdentities+`) i ORDER BY name`, oids)
	if err != nil {
		return nil, fmt.Errorf("list identity columns of partitions: %w", err)
	}
	items := make([]Item, len(rows))
	for i, r := range rows {
		items[i] = Item{Kind: "identity of a partition", Name: r[0], Loss: true,
			Why: "from version 17 on a partition has none of its own: its numbers come from the sequence of the table above",
			Do:  "where rows were inserted into the partition itself, set that sequence beyond their numbers when the target is open"}
		if r[1] == "f" {
			items[i].Why = "from version 17 on a partition has none of its own: the column has no default"
			items[i].Do = "give it a sequence and a default when the target is open, if rows are inserted into the partition itself"
		}
	}
	return items, nil
}

// identities opens identity columns that take no values, for the time in which changes are
// applied, and closes them again.
func (p *planner) identities() {
	var back []Step
	for _, c := range p.facts.Always {
		if !p.dumped[c.OID] || c.Partition && p.facts.Target >= oneIdentity {
			continue
		}
		alter := "ALTER TABLE " + c.Qualified() + " ALTER COLUMN " + pg.Ident(c.Column) + " SET GENERATED "
		s := Step{Kind: KindIdentity, Name: c.String() + "." + c.Column, Table: c.String(), Owner: c.Owner}
		open, closed := s, s
		open.ID, open.SQL = p.id("IDENTITY BY DEFAULT", s.Name), alter+"BY DEFAULT;"
		closed.ID, closed.SQL, closed.Undo = p.id("IDENTITY ALWAYS", s.Name), alter+"ALWAYS;", open.SQL
		p.lists[inPre] = append(p.lists[inPre], open)
		back = append(back, closed)
	}
	p.lists[inFinish] = append(back, p.lists[inFinish]...)
}
