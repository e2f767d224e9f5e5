package apply

import (
	"fmt"
	"strings"

	"replicator/wal/pgoutput"
)

// The statements of a relation. Set statements take one array per column, row statements one
// value per column; types come from the parameters' OIDs, so the texts name none. Alias t is
// the table, u the arrays' rows.
const (
	setInsert = 'i'
	setUpdate = 'u'
	setDelete = 'd'
	rowInsert = 'I'
	rowUpdate = 'U' // key columns stay
	rowMove   = 'M' // key columns are set as well
	rowDelete = 'D'
	anyUpdate = 'F' // one row with this image, for tables without a key
	anyDelete = 'G'
)

// statement finds or makes a statement. row decides which columns are set: those that are
// unchanged TOAST are left out; it is nil where that does not matter.
func (rel *relation) statement(kind byte, row []pgoutput.Value) *statement {
	return rel.find(kind, row, nil)
}

// byImage finds or makes a statement that finds its row by its old image.
func (rel *relation) byImage(kind byte, row, old []pgoutput.Value) *statement {
	return rel.find(kind, row, rel.nulls(old))
}

func (rel *relation) find(kind byte, row []pgoutput.Value, nulls []byte) *statement {
	rel.mask = append(append(rel.mask[:0], kind), nulls...)
	for i := range row {
		if row[i].Kind == 'u' {
			rel.mask = append(rel.mask, byte(i>>8), byte(i))
		}
	}
	if st := rel.stmts[string(rel.mask)]; st != nil {
		return st
	}
	st := rel.build(kind, row, nulls)
	rel.stmts[string(rel.mask)] = st
	return st
}

func (rel *relation) build(kind byte, row []pgoutput.Value, nulls []byte) *statement {
	b := &builder{rel: rel, nulls: nulls}
	switch kind {
	case setInsert:
		return b.setInsert()
	case setUpdate:
		return b.setUpdate(row)
	case setDelete:
		return b.setDelete()
	case rowInsert:
		return b.rowInsert()
	case rowUpdate, rowMove:
		return b.rowUpdate(row, kind == rowMove)
	case rowDelete:
		return b.rowDelete()
	case anyUpdate:
		return b.anyUpdate(row)
	}
	return b.anyDelete()
}

// sets reports whether an update gives column i a value.
func (rel *relation) sets(i int, row []pgoutput.Value, move bool) bool {
	return row[i].Kind != 'u' && (move || !rel.isKey(i))
}

// setsAny reports whether an update that keeps the key sets anything at all.
func (rel *relation) setsAny(row []pgoutput.Value) bool {
	for i := range row {
		if rel.sets(i, row, false) {
			return true
		}
	}
	return false
}

func (rel *relation) isKey(i int) bool {
	for _, k := range rel.key {
		if k == i {
			return true
		}
	}
	return false
}

// builder writes one statement.
type builder struct {
	rel   *relation
	sql   strings.Builder
	oids  []uint32
	nulls []byte // of statements that find their row by its image, see nulls
}

func (b *builder) done() *statement { return &statement{sql: b.sql.String(), oids: b.oids} }

func (b *builder) add(format string, args ...any) { fmt.Fprintf(&b.sql, format, args...) }

// value adds a parameter with column i's own type.
func (b *builder) value(i int) string { return b.param(b.rel.cols[i].oid) }

func (b *builder) param(oid uint32) string {
	b.oids = append(b.oids, oid)
	return fmt.Sprintf("$%d", len(b.oids))
}

// arrays adds FROM's unnest of one array per column of list, as u(c0, c1, ...).
func (b *builder) arrays(list []int) {
	params, names := make([]string, len(list)), make([]string, len(list))
	for n, i := range list {
		params[n], names[n] = b.param(b.rel.cols[i].elem), fmt.Sprintf("c%d", n)
	}
	b.add("unnest(%s) AS u(%s)", strings.Join(params, ", "), strings.Join(names, ", "))
}

func (b *builder) names() string {
	s := make([]string, len(b.rel.cols))
	for i := range b.rel.cols {
		s[i] = b.rel.cols[i].ident()
	}
	return strings.Join(s, ", ")
}

func (b *builder) all() []int {
	list := make([]int, len(b.rel.cols))
	for i := range list {
		list[i] = i
	}
	return list
}

func (b *builder) setInsert() *statement {
	b.add("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT u.* FROM ", b.rel.name, b.names())
	b.arrays(b.all())
	return b.done()
}

// setUpdate's arrays are the key, then the columns that are set.
func (b *builder) setUpdate(row []pgoutput.Value) *statement {
	list := append([]int(nil), b.rel.key...)
	b.add("UPDATE ONLY %s AS t SET ", b.rel.name)
	for i := range row {
		if b.rel.sets(i, row, false) {
			if len(list) > len(b.rel.key) {
				b.add(", ")
			}
			b.add("%s = u.c%d", b.rel.cols[i].ident(), len(list))
			list = append(list, i)
		}
	}
	b.add(" FROM ")
	b.arrays(list)
	b.whereKeys()
	return b.done()
}

func (b *builder) setDelete() *statement {
	b.add("DELETE FROM ONLY %s AS t USING ", b.rel.name)
	b.arrays(b.rel.key)
	b.whereKeys()
	return b.done()
}

// whereKeys joins t's key with the arrays' first columns.
func (b *builder) whereKeys() {
	for n, i := range b.rel.key {
		c := &b.rel.cols[i]
		b.add(" %s t.%s %s u.c%d", and(n, "WHERE"), c.ident(), c.keyEquals(), n)
	}
}

func and(n int, first string) string {
	if n == 0 {
		return first
	}
	return "AND"
}

func (b *builder) rowInsert() *statement {
	if len(b.rel.cols) == 0 {
		b.add("INSERT INTO %s DEFAULT VALUES", b.rel.name)
		return b.done()
	}
	b.add("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES (", b.rel.name, b.names())
	for i := range b.rel.cols {
		if i > 0 {
			b.add(", ")
		}
		b.add("%s", b.value(i))
	}
	b.add(")")
	return b.done()
}

// rowUpdate's parameters are the columns that are set, then the old key.
func (b *builder) rowUpdate(row []pgoutput.Value, move bool) *statement {
	b.add("UPDATE ONLY %s AS t ", b.rel.name)
	b.assign(row, move)
	b.whereKey()
	return b.done()
}

func (b *builder) assign(row []pgoutput.Value, move bool) {
	n := 0
	for i := range row {
		if b.rel.sets(i, row, move) {
			b.add("%s %s = %s", comma(n, "SET"), b.rel.cols[i].ident(), b.value(i))
			n++
		}
	}
}

func comma(n int, first string) string {
	if n == 0 {
		return first
	}
	return ","
}

func (b *builder) rowDelete() *statement {
	b.add("DELETE FROM ONLY %s AS t", b.rel.name)
	b.whereKey()
	return b.done()
}

func (b *builder) whereKey() {
	for n, i := range b.rel.key {
		c := &b.rel.cols[i]
		b.add(" %s t.%s %s %s", and(n, "WHERE"), c.ident(), c.keyEquals(), b.value(i))
	}
}
