package apply

import "replicator/replicator/pg"

// column is one column of a relation as the target has it.
type column struct {
	name string
	kind string // as format_type prints it where the search path is pg_catalog
	oid  uint32 // of the type; a domain's own
	base uint32 // of the type beneath all domains
	elem uint32 // of the array type over base, 0 where there is none

	generated bool
	notNull   bool
	indexed   bool   // part of some index
	odd       bool   // unnest cannot give it back as it was: arrays, composites, types without an array type
	opaque    bool   // binary does not carry it: reg* inside, or no send or receive function
	equals    string // the schema-qualified equality operator of base, "" where there is none
	delimiter byte   // between the elements of elem's text form
}

// columns is SQL: the live columns of table $1.$2 in their order. Types are followed down through
// domains (base) and, for what binary cannot carry, through arrays, composites and ranges
// (inside). The operator is looked up by type, and a type is spelled with its schema, as the plan has
// it: the session's search_path is the source's, for functions, and must not matter here.
const columns = `
WITH RECURSIVE col AS (
	SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated
	FROM pg_attribute a
	JOIN pg_class c ON c.oid = a.attrelid
	JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
), domain AS (
	SELECT attnum, atttypid AS t FROM col
	UNION ALL
	SELECT d.attnum, ty.typbasetype FROM domain d JOIN pg_type ty ON ty.oid = d.t WHERE ty.typtype = 'd'
), inside AS (
	SELECT attnum, atttypid AS t FROM col
	UNION
	SELECT i.attnum, part.t FROM inside i, LATERAL (
		SELECT ty.typbasetype FROM pg_type ty WHERE ty.oid = i.t AND ty.typtype = 'd'
		UNION ALL SELECT ty.typelem FROM pg_type ty WHERE ty.oid = i.t AND ty.typelem <> 0 AND ty.typcategory = 'A'
		UNION ALL SELECT at.atttypid FROM pg_type ty JOIN pg_attribute at ON at.attrelid = ty.typrelid
			WHERE ty.oid = i.t AND ty.typtype = 'c' AND at.attnum > 0 AND NOT at.attisdropped
		UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE i.t IN (r.rngtypid, r.rngmultitypid)
	) AS part(t)
)
SELECT col.attname, (SELECT CASE WHEN en.nspname <> 'pg_catalog' AND pg_type_is_visible(e.oid) THEN quote_ident(en.nspname) || '.' ELSE '' END
		FROM pg_type own JOIN pg_type e ON e.oid = CASE WHEN own.typsubscript = 'array_subscript_handler'::regproc THEN own.typelem ELSE own.oid END
			JOIN pg_namespace en ON en.oid = e.typnamespace WHERE own.oid = col.atttypid) || format_type(col.atttypid, col.atttypmod), col.atttypid, b.oid, b.typarray,
	col.attgenerated <> '', col.attnotnull,
	EXISTS (SELECT FROM pg_index x WHERE x.indrelid = col.attrelid AND col.attnum = ANY (x.indkey)),
	b.typarray = 0 OR b.typtype IN ('c', 'p') OR b.typcategory IN ('A', 'P'),
	EXISTS (SELECT FROM inside i JOIN pg_type ty ON ty.oid = i.t WHERE i.attnum = col.attnum
		AND (ty.typsend = 0 OR ty.typreceive = 0
			OR ty.typnamespace = 'pg_catalog'::regnamespace AND ty.typname LIKE 'reg%')),
	coalesce((SELECT quote_ident(n.nspname) FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
			WHERE o.oprname = '=' AND o.oprleft = b.oid AND o.oprright = b.oid AND o.oprcanmerge
			ORDER BY n.nspname <> 'pg_catalog', n.nspname LIMIT 1),
		CASE WHEN b.typtype IN ('e', 'r', 'm') OR b.typcategory = 'A' OR b.oid = 'varchar'::regtype THEN 'pg_catalog' END, ''),
	b.typdelim
FROM col
JOIN domain ON domain.attnum = col.attnum
JOIN pg_type b ON b.oid = domain.t AND b.typtype <> 'd'
ORDER BY col.attnum`

// readColumns turns the rows of the query above into columns.
func readColumns(rows [][]string) []column {
	cols := make([]column, len(rows))
	for i, r := range rows {
		cols[i] = column{
			name: r[0], kind: r[1], oid: parseOID(r[2]), base: parseOID(r[3]), elem: parseOID(r[4]),
			generated: r[5] == "t", notNull: r[6] == "t", indexed: r[7] == "t", odd: r[8] == "t", opaque: r[9] == "t",
			delimiter: r[11][0],
		}
		if r[10] != "" {
			cols[i].equals = "OPERATOR(" + r[10] + ".=)"
		}
	}
	return cols
}

func (c *column) ident() string { return pg.Ident(c.name) }

// keyEquals is the operator that finds a key. Every key column has a btree behind it, so an
// equality exists; composites have theirs through record.
func (c *column) keyEquals() string {
	if c.equals == "" {
		return "OPERATOR(pg_catalog.=)"
	}
	return c.equals
}
