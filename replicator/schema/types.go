package schema

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// textTypes is the set of types that binary COPY does not carry, or carries wrongly: those without
// a send or receive function, and those whose binary form is an OID of this very database (reg*),
// which would arrive silently as the OID of something else. What is made of such a type (domain,
// array, composite, range, multirange) is as bad. True stands for the reg* types themselves: in the
// stream of changes their OIDs can be told from other bytes, and be spelled.
func textTypes(ctx context.Context, conn *pg.Conn) (map[uint32]bool, error) {
	rows, err := conn.Query(ctx, `WITH RECURSIVE made AS MATERIALIZED (
			SELECT oid AS whole, typbasetype AS part FROM pg_type WHERE typtype = 'd'
			UNION ALL
			SELECT oid, typelem FROM pg_type WHERE typsubscript = 'array_subscript_handler'::regproc
			UNION ALL
			SELECT t.oid, a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
			WHERE t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped
			UNION ALL
			SELECT rngtypid, rngsubtype FROM pg_range
			UNION ALL
			SELECT rngmultitypid, rngtypid FROM pg_range
		), text AS (
			SELECT oid FROM pg_type
			WHERE typtype IN ('b', 'r', 'm') AND (typsend = 0 OR typreceive = 0
				OR typname LIKE 'reg%' AND typnamespace = 'pg_catalog'::regnamespace
				-- sent when empty, but then not received
				OR typname IN ('tsquery', 'int2vector', 'oidvector') AND typnamespace = 'pg_catalog'::regnamespace)
			UNION
			SELECT made.whole FROM text JOIN made ON made.part = text.oid
		) SELECT oid, oid IN (`+oidTypes+`) FROM text`)
	if err != nil {
		return nil, fmt.Errorf("list types without binary form: %w", err)
	}
	set := make(map[uint32]bool, len(rows))
	for _, r := range rows {
		set[oid(r[0])] = r[1] == "t"
	}
	return set, nil
}

// oidTypes are the types whose values are OIDs of what has a name.
const oidTypes = "SELECT oid FROM pg_type WHERE typname LIKE 'reg%' AND typtype = 'b' AND typcategory <> 'A' AND typnamespace = 'pg_catalog'::regnamespace"

// NamedTypes are those types, by their OIDs.
func NamedTypes(ctx context.Context, conn *pg.Conn) (map[uint32]string, error) {
	rows, err := conn.Query(ctx, "SELECT oid, typname FROM pg_type WHERE oid IN ("+oidTypes+")")
	if err != nil {
		return nil, fmt.Errorf("list types of OIDs: %w", err)
	}
	names := make(map[uint32]string, len(rows))
	for _, r := range rows {
		names[oid(r[0])] = r[1]
	}
	return names, nil
}
