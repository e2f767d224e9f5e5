package apply

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/wal/pgoutput"
)

// relation is a followed table as the stream describes it, checked against plan and target.
// A relation message that says something else makes a new one; columns are matched by name.
type relation struct {
	table *chunker.Table
	name  string // qualified and quoted
	wire  pgoutput.Relation

	cols []column // those that travel, in the order of the wire
	from []int    // where each of cols stands in a tuple of the wire
	key  []int    // the key, as positions in cols; empty for identity full

	stmts map[string]*statement // by operation and omitted columns
	mask  []byte                // scratch for their keys
	net   effect                // scratch of the fold
}

// relations knows what the stream has described so far.
type relations struct {
	tables  map[string]*chunker.Table // by schema.name
	byOID   map[uint32]*chunker.Table
	wire    map[uint32]pgoutput.Relation // by relation id: the last message
	checked map[uint32]*relation
	columns map[*chunker.Table][]column // of the target, as far as they were read

	replaced bool // a checked relation was described anew
}

func newRelations(tables []chunker.Table) *relations {
	r := &relations{
		tables: map[string]*chunker.Table{}, byOID: map[uint32]*chunker.Table{},
		wire: map[uint32]pgoutput.Relation{}, checked: map[uint32]*relation{},
		columns: map[*chunker.Table][]column{},
	}
	for i := range tables {
		t := &tables[i]
		r.tables[t.Schema+"\x00"+t.Name] = t
		if t.OID != 0 {
			r.byOID[t.OID] = t
		}
	}
	return r
}

// describe takes a relation message. Messages are repeated at segment starts and after cache
// invalidations on the source; one that says the same changes nothing.
func (r *relations) describe(m *pgoutput.Relation) {
	if old, ok := r.wire[m.ID]; ok && sameWire(&old, m) {
		return
	}
	r.wire[m.ID] = *m // Decode made it anew
	if _, before := r.checked[m.ID]; before {
		clear(r.columns) // something was changed, and perhaps there as well
	}
	if r.checked[m.ID] != nil {
		delete(r.checked, m.ID)
		r.replaced = true
	}
}

func sameWire(a, b *pgoutput.Relation) bool {
	return a.ID == b.ID && a.Schema == b.Schema && a.Name == b.Name && a.Identity == b.Identity &&
		slices.Equal(a.Columns, b.Columns)
}

// querier is what checking needs of the target.
type querier interface {
	query(ctx context.Context, sql string, args ...string) ([][]string, error)
}

// of is the checked relation behind id. It fails with fault.Preflight when the table is not the
// one that was planned or copied.
func (r *relations) of(ctx context.Context, q querier, id uint32) (*relation, error) {
	if rel := r.checked[id]; rel != nil {
		return rel, nil
	}
	wire, ok := r.wire[id]
	if !ok {
		return nil, fmt.Errorf("change of relation %d which the stream has not described", id)
	}
	t, err := r.plan(&wire)
	if err != nil {
		return nil, err
	}
	cols, err := r.target(ctx, q, t)
	if err != nil {
		return nil, fmt.Errorf("read columns of %s on the target: %w", t, err)
	}
	rel := &relation{table: t, name: t.Qualified(), wire: wire, stmts: map[string]*statement{}}
	if err := rel.match(cols); err != nil {
		return nil, err
	}
	if err := rel.modifiers(ctx, q); err != nil {
		return nil, err
	}
	if err := rel.identify(); err != nil {
		return nil, err
	}
	r.checked[id] = rel
	return rel, nil
}

// readAhead is how many tables' columns are read at once: each look stops the target.
const readAhead = 500

// target gives the columns that a table has on the target. Those of others, whose changes may come, are
// read with the first.
func (r *relations) target(ctx context.Context, q querier, t *chunker.Table) ([]column, error) {
	if cols, ok := r.columns[t]; ok {
		return cols, nil
	}
	tables := []*chunker.Table{t}
	for _, other := range r.tables {
		if _, ok := r.columns[other]; len(tables) < readAhead && !ok && other != t && !other.Late() {
			tables = append(tables, other)
		}
	}
	list, err := readColumns(ctx, q, tables)
	if err != nil {
		return nil, err
	}
	for i, t := range tables {
		r.columns[t] = list[i]
	}
	return list[0], nil
}

// plan finds the table that a relation message means. The publication lists exactly the followed
// tables, so a change of any other table says that publication and plan have parted: going on
// would lose rows. Late tables are not published and count as others.
func (r *relations) plan(w *pgoutput.Relation) (*chunker.Table, error) {
	t := r.tables[w.Schema+"\x00"+w.Name]
	if was := r.byOID[w.ID]; was != nil && was != t {
		return nil, drift("table %s is now called %s.%s on the source", was, w.Schema, w.Name)
	}
	switch {
	case t == nil || t.Late():
		return nil, drift("the stream carries changes of %s.%s, which the job does not follow", w.Schema, w.Name)
	case t.OID != 0 && t.OID != w.ID:
		return nil, drift("table %s was dropped and made again on the source", t)
	}
	return t, nil
}

// match pairs the wire's columns with the target's by name and with the plan's.
func (rel *relation) match(target []column) error {
	at := map[string]int{}
	need := 0
	for i := range target {
		at[target[i].name] = i
		if !target[i].generated {
			need++
		}
	}
	for i, w := range rel.wire.Columns {
		j, ok := at[w.Name]
		if !ok {
			return rel.drift(target)
		}
		if target[j].generated {
			continue // published by version 18; computed on the target
		}
		if p := rel.table.Column(w.Name); p < 0 || !samePlan(&rel.table.Columns[p], w.Type, target[j].kind) {
			return rel.drift(target)
		}
		rel.cols = append(rel.cols, target[j])
		rel.from = append(rel.from, i)
	}
	if len(rel.cols) != need || len(rel.cols) != len(rel.table.Columns) {
		return rel.drift(target)
	}
	return nil
}

// samePlan compares a column's type in the stream and on the target with the plan's, as far as
// the plan knows it.
func samePlan(p *chunker.Column, source uint32, target string) bool {
	return (p.OID == 0 || p.OID == source) && (p.Type == "" || p.Type == target)
}

// firstUserOID is where OIDs begin to differ between databases (FirstNormalObjectId).
const firstUserOID = 16384

// modifiers lets the target spell the built-in types with the stream's modifiers: a varchar(10)
// that became varchar(20) keeps its type's OID.
func (rel *relation) modifiers(ctx context.Context, q querier) error {
	var ids, mods, names []string
	same := true
	for i, j := range rel.from {
		c := &rel.cols[i]
		if w := rel.wire.Columns[j]; w.Type < firstUserOID && c.oid < firstUserOID {
			same = same && w.Type == c.oid && w.Modifier == c.mod
			ids = append(ids, strconv.FormatUint(uint64(w.Type), 10))
			mods = append(mods, strconv.Itoa(int(w.Modifier)))
			names = append(names, c.kind)
		}
	}
	if same {
		return nil
	}
	rows, err := q.query(ctx, "SELECT format_type(t, m) FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY AS u(t, m, n) ORDER BY n",
		"{"+strings.Join(ids, ",")+"}", "{"+strings.Join(mods, ",")+"}")
	if err != nil {
		return fmt.Errorf("spell types of %s: %w", rel.table, err)
	}
	for i, r := range rows {
		if r[0] != names[i] {
			return drift("table %s: column types differ: source %s; target %s", rel.table, spell(rows), strings.Join(names, ", "))
		}
	}
	return nil
}

func spell(rows [][]string) string {
	s := make([]string, len(rows))
	for i, r := range rows {
		s[i] = r[0]
	}
	return strings.Join(s, ", ")
}

// identify finds the key and checks that old tuples will carry it.
func (rel *relation) identify() error {
	if rel.table.Identity == chunker.IdentityFull {
		if rel.wire.Identity != 'f' {
			return drift("table %s: replica identity is no longer full", rel.table)
		}
		return nil
	}
	if len(rel.table.Key) == 0 {
		return fmt.Errorf("table %s has no key in the plan", rel.table)
	}
	for _, name := range rel.table.Key {
		i := slices.IndexFunc(rel.cols, func(c column) bool { return c.name == name })
		if i < 0 || rel.wire.Identity != 'f' && !rel.wire.Columns[rel.from[i]].Key {
			return drift("table %s: key column %s is no longer part of the replica identity", rel.table, name)
		}
		rel.key = append(rel.key, i)
	}
	return nil
}

func (rel *relation) full() bool { return len(rel.key) == 0 }

func (rel *relation) drift(target []column) error {
	source := make([]string, len(rel.wire.Columns))
	for i, c := range rel.wire.Columns {
		source[i] = c.Name
		if p := rel.table.Column(c.Name); p >= 0 && rel.table.Columns[p].OID == c.Type {
			source[i] += " " + rel.table.Columns[p].Type
		} else {
			source[i] += fmt.Sprintf(" (type %d)", c.Type)
		}
	}
	have := make([]string, len(target))
	for i := range target {
		have[i] = target[i].name + " " + target[i].kind
		if target[i].generated {
			have[i] += " generated"
		}
	}
	return drift("table %s changed: source has (%s), target has (%s)",
		rel.table, strings.Join(source, ", "), strings.Join(have, ", "))
}

func drift(format string, args ...any) error {
	return fault.New(fault.Preflight, fmt.Errorf("schema drift: "+format, args...),
		"make the same change on the target, or copy the table again")
}

func parseOID(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// qualifiedNames joins the quoted names of tables, each under ONLY.
func qualifiedNames(rels []*relation) string {
	names := make([]string, len(rels))
	for i, r := range rels {
		names[i] = "ONLY " + r.name
	}
	return strings.Join(names, ", ")
}
