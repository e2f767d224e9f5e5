package apply

import (
	"fmt"
	"strings"

	"replicator/wal/pgoutput"
)

// Tables without a key (identity full): a change names its row by the whole old image, of which
// there may be duplicates; exactly one of them is touched.
//
// *= is record_image_eq: it compares the bytes of the values, so types without an equality
// operator, NaN, -0 and NULL are right. The cast to record keeps the parser from taking the
// comparison apart into one operator per column. A value that came to the target by another way
// (COPY in text) may have other bytes for the same value, so when no image is equal the rows'
// text forms are compared: those are what pg_dump relies on to tell values apart.

// What is known of a column of an old row before its statement is made.
const (
	notSought = 0 // no index has it, or its type has no equality
	isValue   = 1
	isNull    = 2 // NULL = NULL is not true: the statement is another one
)

// mostSought bounds the nullable columns that an index is sought by, and with them the statements that
// a table can have.
const mostSought = 4

// nulls tells by which columns of an old row an index may find it.
func (rel *relation) nulls(old []pgoutput.Value) []byte {
	nulls, nullable := make([]byte, len(rel.cols)), 0
	for i := range rel.cols {
		c := &rel.cols[i]
		if !c.indexed || c.equals == "" {
			continue
		}
		if !c.notNull {
			if nullable++; nullable > mostSought {
				continue
			}
		}
		nulls[i] = isValue
		if old[i].Kind == 'n' {
			nulls[i] = isNull
		}
	}
	return nulls
}

// anyUpdate's parameters are the columns that are set, then the old row.
func (b *builder) anyUpdate(row []pgoutput.Value) *statement {
	b.add("UPDATE ONLY %s AS t ", b.rel.name)
	b.assign(row, true)
	b.whereImage()
	return b.done()
}

func (b *builder) anyDelete() *statement {
	b.add("DELETE FROM ONLY %s AS t", b.rel.name)
	b.whereImage()
	return b.done()
}

func (b *builder) whereImage() {
	if len(b.rel.cols) == 0 {
		b.add(" WHERE t.ctid = (SELECT o.ctid FROM ONLY %s AS o LIMIT 1)", b.rel.name)
		return
	}
	have, want := make([]string, len(b.rel.cols)), make([]string, len(b.rel.cols))
	var index strings.Builder
	for i := range b.rel.cols {
		c := &b.rel.cols[i]
		have[i], want[i] = "o."+c.ident(), b.value(i)
		// Equal images are equal values, so this excludes nothing; it lets an index find them.
		switch b.nulls[i] {
		case isValue:
			fmt.Fprintf(&index, "%s %s %s AND ", have[i], c.equals, want[i])
		case isNull:
			fmt.Fprintf(&index, "%s IS NULL AND ", have[i])
		}
	}
	find := func(op, cast string) string {
		return fmt.Sprintf("(SELECT o.ctid FROM ONLY %s AS o WHERE %sROW(%s)::%s %s ROW(%s)::%s LIMIT 1)",
			b.rel.name, index.String(), strings.Join(have, ", "), cast, op, strings.Join(want, ", "), cast)
	}
	b.add(" WHERE t.ctid = coalesce(%s, %s)",
		find("OPERATOR(pg_catalog.*=)", "pg_catalog.record"), find("=", "pg_catalog.record::pg_catalog.text"))
}
