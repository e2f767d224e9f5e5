package chunker

import (
	"fmt"
	"slices"
	"strings"

	"replicator/replicator/pg"
)

// firstUserOID is the first OID that is not PostgreSQL's own: such a type has another OID on the
// other side, and the binary form of arrays and composites carries OIDs.
const firstUserOID = 16384

// spelling says how rows are read so that equal rows are equal bytes on both sides, whatever the
// order of columns there, the version or the OIDs. Both sides go by the Table of the plan.
type spelling struct {
	exprs []string
	plain bool // nothing but columns
	key   int  // so many, the first of them, are the key; 0: there is none
	text  bool // the format of COPY
}

// spell lists the columns of t, those of the key first. text is for jobs whose changes travel as
// text, which knows one NaN only.
func spell(t *Table, text bool) (spelling, error) {
	s := spelling{plain: true, key: len(t.Key), text: text || t.Text}
	for _, name := range t.Key {
		i := t.Column(name)
		if i < 0 {
			return s, fmt.Errorf("key column %s of %s is not read", name, t)
		}
		s.add(&t.Columns[i])
	}
	for i := range t.Columns {
		if !slices.Contains(t.Key, t.Columns[i].Name) {
			s.add(&t.Columns[i])
		}
	}
	return s, nil
}

func (s *spelling) add(c *Column) {
	name := pg.Ident(c.Name)
	if !s.text && !steady(c) {
		s.exprs, s.plain = append(s.exprs, output(name)), false
		return
	}
	s.exprs = append(s.exprs, name)
}

// steady reports whether the binary form of equal values is the same everywhere. It is not where
// it carries OIDs. Nor is it in arrays: a slice of one with NULLs keeps their bitmap, though no NULL
// is left, and says so; its copy has none.
func steady(c *Column) bool { return c.OID < firstUserOID && !c.Array }

// output is what the type's output function gives, and NULL for NULL. A cast to text will not do:
// the owner of a type may have defined one that tells less, or that does something in our name.
// IS NOT NULL will not do either: it is false of a composite with a NULL in it.
func output(column string) string {
	return fmt.Sprintf("CASE WHEN %s IS DISTINCT FROM NULL THEN pg_catalog.concat(%s) END", column, column)
}

// located is s with the row's place behind it, as text; of a table with a key only the key.
func (s spelling) located() spelling {
	if s.key > 0 {
		s.exprs = s.exprs[:s.key]
	}
	s.exprs, s.plain = append(slices.Clone(s.exprs), "pg_catalog.concat(ctid)"), false
	return s
}

// copy is the statement that reads the rows of t that where says.
func (s *spelling) copy(t *Table, where string) string {
	list := strings.Join(s.exprs, ", ")
	if where == "" && s.plain && list != "" {
		// COPY of a plain name reads that table's own rows only, and skips the executor.
		return fmt.Sprintf("COPY %s (%s) TO STDOUT (FORMAT %s)", t.Qualified(), list, format(s.text))
	}
	if where != "" {
		where = " WHERE " + where
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s%s) TO STDOUT (FORMAT %s)", list, t.Qualified(), where, format(s.text))
}
