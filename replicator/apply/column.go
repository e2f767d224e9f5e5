package apply

import (
	"context"
	"strconv"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// column is one column of a relation as the target has it.
type column struct {
	name string
	kind string // as format_type prints it where the search path is pg_catalog
	oid  uint32 // of the type; a domain's own
	mod  int32  // atttypmod
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

// columns is SQL: the live columns of tables $1.$2, two arrays, in their order; the first of a row is the
// number of its table, from 1. Types are followed down through domains (base) and, for what binary cannot
// carry, through arrays, composites and ranges (inside). The operator is looked up by type, and a type is
// spelled with its schema, as the plan has it: the session's search_path is the source's, for functions,
// and must not matter here.
const columns = `
WITH RECURSIVE col AS MATERIALIZED (
	SELECT w.n, a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated
	FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(nsp, rel, n)
	JOIN pg_namespace n ON n.nspname = w.nsp::name
	JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.rel::name
	JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
), own AS MATERIALIZED (
	SELECT DISTINCT atttypid AS whole FROM col
), domain AS (
	SELECT whole, whole AS t FROM own
	UNION ALL
	SELECT d.whole, ty.typbasetype FROM domain d JOIN pg_type ty ON ty.oid = d.t WHERE ty.typtype = 'd'
), inside AS (
	SELECT whole, whole AS t FROM own
	UNION
	SELECT i.whole, part.t FROM inside i, LATERAL (
		SELECT ty.typbasetype FROM pg_type ty WHERE ty.oid = i.t AND ty.typtype = 'd'
		UNION ALL SELECT ty.typelem FROM pg_type ty WHERE ty.oid = i.t AND ty.typelem <> 0 AND ty.typcategory = 'A'
		UNION ALL SELECT at.atttypid FROM pg_type ty JOIN pg_attribute at ON at.attrelid = ty.typrelid
			WHERE ty.oid = i.t AND ty.typtype = 'c' AND at.attnum > 0 AND NOT at.attisdropped
		UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE i.t IN (r.rngtypid, r.rngmultitypid)
	) AS part(t)
), kind AS MATERIALIZED (
	SELECT d.whole, (SELECT CASE WHEN en.nspname <> 'pg_catalog' AND pg_type_is_visible(e.oid) THEN quote_ident(en.nspname) || '.' ELSE '' END
			FROM pg_type w JOIN pg_type e ON e.oid = CASE WHEN w.typsubscript = 'array_subscript_handler'::regproc THEN w.typelem ELSE w.oid END
				JOIN pg_namespace en ON en.oid = e.typnamespace WHERE w.oid = d.whole) AS place,
		b.oid AS base, b.typarray, b.typdelim,
		b.typarray = 0 OR b.typtype IN ('c', 'p') OR b.typcategory IN ('A', 'P') AS odd,
		EXISTS (SELECT FROM inside i JOIN pg_type ty ON ty.oid = i.t WHERE i.whole = d.whole
			AND (ty.typsend = 0 OR ty.typreceive = 0
				OR ty.typnamespace = 'pg_catalog'::regnamespace AND ty.typname LIKE 'reg%')) AS opaque,
		coalesce((SELECT quote_ident(n.nspname) FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
				WHERE o.oprname = '=' AND o.oprleft = b.oid AND o.oprright = b.oid AND o.oprcanmerge
				ORDER BY n.nspname <> 'pg_catalog', n.nspname LIMIT 1),
			CASE WHEN b.typtype IN ('e', 'r', 'm') OR b.typcategory = 'A' OR b.oid = 'varchar'::regtype THEN 'pg_catalog' END, '') AS equals
	FROM domain d JOIN pg_type b ON b.oid = d.t AND b.typtype <> 'd'
)
SELECT col.n, col.attname, kind.place || format_type(col.atttypid, col.atttypmod), col.atttypid, kind.base, kind.typarray,
	col.attgenerated <> '', col.attnotnull,
	EXISTS (SELECT FROM pg_index x WHERE x.indrelid = col.attrelid AND col.attnum = ANY (x.indkey)),
	kind.odd, kind.opaque, kind.equals, kind.typdelim, col.atttypmod
FROM col JOIN kind ON kind.whole = col.atttypid
ORDER BY col.n, col.attnum`

// readColumns reads the columns of tables, in their order; none of one that is not there.
func readColumns(ctx context.Context, q querier, tables []*chunker.Table) ([][]column, error) {
	schemas, names := make([]string, len(tables)), make([]string, len(tables))
	for i, t := range tables {
		schemas[i], names[i] = t.Schema, t.Name
	}
	rows, err := q.query(ctx, columns, pg.Array(schemas), pg.Array(names))
	if err != nil {
		return nil, err
	}
	list := make([][]column, len(tables))
	for _, r := range rows {
		n, err := strconv.Atoi(r[0])
		if err != nil {
			return nil, err
		}
		list[n-1] = append(list[n-1], readColumn(r[1:]))
	}
	return list, nil
}

func readColumn(r []string) column {
	mod, _ := strconv.ParseInt(r[12], 10, 32)
	c := column{
		name: r[0], kind: r[1], oid: parseOID(r[2]), mod: int32(mod), base: parseOID(r[3]), elem: parseOID(r[4]),
		generated: r[5] == "t", notNull: r[6] == "t", indexed: r[7] == "t", odd: r[8] == "t", opaque: r[9] == "t",
		delimiter: r[11][0],
	}
	if r[10] != "" {
		c.equals = "OPERATOR(" + r[10] + ".=)"
	}
	return c
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
