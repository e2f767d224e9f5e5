package schema

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// Facts is what [Plan] must know of the source that pg_dump's script does not say.
type Facts struct {
	Indexes           map[uint32]Index      `json:"indexes"`     // by OID; of ordinary tables
	Constraints       map[uint32]Constraint `json:"constraints"` // by OID; all but those of domains
	Parents           map[uint32]uint32     `json:"parents"`     // of partitions
	Partitioned       map[uint32]string     `json:"partitioned"` // partitioned tables, and their names
	MaterializedViews []MaterializedView    `json:"materialized_views"`
	Always            []AlwaysColumn        `json:"always"`
	Schemas           map[string]Namespace  `json:"schemas"`                   // by name
	Checks            []Check               `json:"checks"`                    // that call functions
	SearchPath        string                `json:"search_path"`               // of the role on the source
	LeafIdentities    map[uint32]bool       `json:"leaf_identities,omitempty"` // sequences of identity columns that partitions have of their own, by OID
	IdentityTypes     map[uint32]string     `json:"identity_types,omitempty"`  // what gives an identity column's sequence a type that is not the column's, by the sequence's OID
	Target            int                   `json:"target,omitempty"`          // server_version_num of the target, 0 if nobody knows

	mighty map[objectKey]bool // only a superuser can make them
}

// Index is an index of an ordinary table.
type Index struct {
	Table  uint32 `json:"table"` // OID
	Name   string `json:"name"`
	Unique bool   `json:"unique"`
}

// Constraint is a constraint of a table. Definition is that of its index, for primary keys and
// unique constraints whose index can be made first.
type Constraint struct {
	Table      uint32 `json:"table"`
	Refers     uint32 `json:"refers,omitempty"` // OID of the table that a foreign key refers to
	Kind       string `json:"kind"`             // contype
	Name       string `json:"name"`
	Deferrable bool   `json:"deferrable,omitempty"`
	Deferred   bool   `json:"deferred,omitempty"`
	Validated  bool   `json:"validated"`
	Inherited  bool   `json:"inherited,omitempty"` // a table above has it too
	Definition string `json:"definition,omitempty"`
}

// Namespace is a schema, which a dump of chosen tables leaves out. Rights is the SQL that grants them,
// and its comment.
type Namespace struct {
	Owner  string `json:"owner"`
	Rights string `json:"rights,omitempty"`
}

// ReadFacts reads what [Plan] needs for the relations that sel means.
func ReadFacts(ctx context.Context, conn *pg.Conn, sel Selection) (*Facts, error) {
	oids, err := sel.oids(ctx, conn)
	if err != nil {
		return nil, err
	}
	f := &Facts{}
	for _, step := range []func(context.Context, *pg.Conn, string) error{
		f.readIndexes, f.readConstraints, f.readPartitions, f.readIdentities, f.readSchemas, f.readChecks, f.readMighty,
	} {
		if err := step(ctx, conn, oids); err != nil {
			return nil, err
		}
	}
	f.MaterializedViews, err = MaterializedViews(ctx, conn, sel)
	return f, err
}

func (f *Facts) readIndexes(ctx context.Context, conn *pg.Conn, oids string) error {
	rows, err := conn.Query(ctx, `SELECT i.indexrelid, i.indrelid, c.relname, i.indisunique
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
		WHERE t.relkind = 'r' AND t.oid = ANY ($1::oid[])`, oids)
	if err != nil {
		return fmt.Errorf("list indexes: %w", err)
	}
	f.Indexes = make(map[uint32]Index, len(rows))
	for _, r := range rows {
		f.Indexes[oid(r[0])] = Index{Table: oid(r[1]), Name: r[2], Unique: r[3] == "t"}
	}
	return nil
}

func (f *Facts) readConstraints(ctx context.Context, conn *pg.Conn, oids string) error {
	rows, err := conn.Query(ctx, `SELECT k.oid, k.conrelid, k.confrelid, k.contype, k.conname,
			k.condeferrable, k.condeferred, k.convalidated, k.coninhcount > 0,
			CASE WHEN k.contype IN ('p', 'u') AND i.indisunique AND NOT i.indisexclusion AND t.relkind = 'r'
				THEN pg_get_indexdef(k.conindid) END
		FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid LEFT JOIN pg_index i ON i.indexrelid = k.conindid
		WHERE k.conparentid = 0 AND (k.contype <> 'n' OR NOT k.convalidated) AND k.conrelid = ANY ($1::oid[])
			OR k.contype IN ('p', 'u', 'x') AND k.conrelid = ANY ($1::oid[])`, oids)
	if err != nil {
		return fmt.Errorf("list constraints: %w", err)
	}
	f.Constraints = make(map[uint32]Constraint, len(rows))
	for _, r := range rows {
		f.Constraints[oid(r[0])] = Constraint{
			Table: oid(r[1]), Refers: oid(r[2]), Kind: r[3], Name: r[4],
			Deferrable: r[5] == "t", Deferred: r[6] == "t", Validated: r[7] == "t", Inherited: r[8] == "t", Definition: r[9],
		}
	}
	return nil
}

// readPartitions reads all of them: a foreign key may refer to one that is not meant.
func (f *Facts) readPartitions(ctx context.Context, conn *pg.Conn, _ string) error {
	rows, err := conn.Query(ctx, `SELECT c.oid, n.nspname || '.' || c.relname, c.relkind = 'p', COALESCE(i.inhparent, 0)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
		WHERE c.relkind = 'p' OR c.relispartition AND c.relkind <> 'I'`)
	if err != nil {
		return fmt.Errorf("list partitions: %w", err)
	}
	f.Parents, f.Partitioned = map[uint32]uint32{}, map[uint32]string{}
	for _, r := range rows {
		if r[2] == "t" {
			f.Partitioned[oid(r[0])] = r[1]
		}
		if parent := oid(r[3]); parent != 0 {
			f.Parents[oid(r[0])] = parent
		}
	}
	return nil
}

func (f *Facts) readSchemas(ctx context.Context, conn *pg.Conn, _ string) error {
	rows, err := conn.Query(ctx, `SELECT n.nspname, pg_get_userbyid(n.nspowner),
			COALESCE((SELECT string_agg(format(E'GRANT %s ON SCHEMA %I TO %s%s;\n', a.privilege_type, n.nspname,
					CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
					CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '' ORDER BY a.grantee, a.privilege_type)
				FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner), '')
			|| COALESCE('COMMENT ON SCHEMA ' || quote_ident(n.nspname) || ' IS ' || quote_literal(obj_description(n.oid, 'pg_namespace')) || E';\n', '')
		FROM pg_namespace n`)
	if err != nil {
		return fmt.Errorf("list schemas: %w", err)
	}
	f.Schemas = make(map[string]Namespace, len(rows))
	for _, r := range rows {
		f.Schemas[r[0]] = Namespace{Owner: r[1], Rights: r[2]}
	}
	return nil
}
