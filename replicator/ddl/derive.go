package ddl

import (
	"fmt"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// Refusal says why a command is not carried.
type Refusal struct {
	Table string
	Why   string
}

func (r *Refusal) Error() string { return r.Why + " on table " + r.Table }

// Change is what makes a table of the target into the one of a state.
//
// Defaults are not among it: whether one has changed only the target knows.
type Change struct {
	Naming   []string          // statements that give it its name, before all others
	Actions  []string          // of ALTER TABLE, one a statement
	Settings map[string]string // of the session, for a cast
	Kinds    []string          // what it does, for people: no values
	Moved    bool              // it stands elsewhere, or what is above it does
	Computed bool              // its generated columns are others: which, the target's catalog tells
	Casts    []Cast            // between types of which one is not the server's own
}

// Cast is a column that has another type. Only the target's catalog tells whether the cast is the same there.
type Cast struct {
	Was, Is   string // the column's name, before and after
	Rewritten bool   // its values were computed anew
}

// Statements are those on the table of that quoted name, with ONLY before it or not.
func (c *Change) Statements(table string) []string {
	list := make([]string, len(c.Actions))
	for i, a := range c.Actions {
		list[i] = "ALTER TABLE " + table + " " + a
	}
	return list
}

// deriver holds a table of the plan against a state.
type deriver struct {
	plan    *chunker.Table
	now     *State
	rewrite *Rewrite
	c       Change
	why     string
	altered bool // a column is added, dropped, renamed or of another type
}

// Derive gives the change that makes plan into now. rewrite is what was told of the table earlier in the
// same command, or nil. A nil change and no error say that nothing has to be done.
func Derive(plan *chunker.Table, now *State, rewrite *Rewrite) (*Change, error) {
	d := &deriver{plan: plan, now: now, rewrite: rewrite}
	d.c.Moved = plan.File != 0 && plan.Above != now.Above
	if plan.Generated != now.Generated {
		d.c.Computed, d.altered = true, true
	}
	d.table()
	d.named()
	d.columns()
	if d.altered {
		d.mayAlter()
	}
	d.rewritten()
	if d.why != "" {
		return nil, &Refusal{Table: plan.String(), Why: d.why}
	}
	return &d.c, nil
}

// refuse keeps the first reason.
func (d *deriver) refuse(format string, args ...any) {
	if d.why == "" {
		d.why = fmt.Sprintf(format, args...)
	}
}

// table is what is not about columns, and is not carried.
func (d *deriver) table() {
	p, n := d.plan, d.now
	switch {
	case n.Persistence != "p":
		d.refuse("SET UNLOGGED")
	case p.Identity == chunker.IdentityFull && n.Identity != "f":
		d.refuse("REPLICA IDENTITY: it is no longer full")
	case p.Identity == chunker.IdentityKey && n.Identity != "f" && !slices.Equal(n.Key, p.Key):
		d.refuse("REPLICA IDENTITY, or a statement that its key's columns are part of")
	case n.Typed:
		d.refuse("ALTER TABLE of a typed table")
	case d.c.Moved && !n.Part:
		d.refuse("a statement on what it is a partition of, or inherits from,")
	}
}

// named is another name or schema. What stands in a tree of heirs is known by the names of others: a
// partition that is a leaf may have another name.
func (d *deriver) named() {
	p, n := d.plan, d.now
	name := func(table, action, kind string) {
		d.c.Naming = append(d.c.Naming, "ALTER TABLE "+table+" "+action)
		d.c.Kinds = append(d.c.Kinds, kind)
	}
	if p.Schema != n.Schema {
		name(p.Qualified(), "SET SCHEMA "+pg.Ident(n.Schema), "SET SCHEMA "+n.Schema)
	}
	if p.Name != n.Name {
		name(pg.Ident(n.Schema, p.Name), "RENAME TO "+pg.Ident(n.Name), "RENAME TO "+n.Name)
	}
	if len(d.c.Naming) > 0 && (n.Tree && n.Parent == nil || n.Part) {
		d.refuse("%s, in a tree of tables,", d.c.Kinds[0])
	}
}

func (d *deriver) alter(action, kind string) {
	d.c.Actions = append(d.c.Actions, action)
	d.c.Kinds = append(d.c.Kinds, kind)
}

// columns pairs columns by their numbers: drops come first, so that a name is free again.
func (d *deriver) columns() {
	is := map[int16]*Column{}
	for i := range d.now.Columns {
		is[d.now.Columns[i].Num] = &d.now.Columns[i]
	}
	was := map[int16]*chunker.Column{}
	for i := range d.plan.Columns {
		c := &d.plan.Columns[i]
		if was[c.Num] = c; c.Num == 0 {
			d.refuse("a statement on a plan of an older version,")
		}
		if is[c.Num] == nil {
			d.altered = true
			d.alter("DROP COLUMN "+pg.Ident(c.Name), "DROP COLUMN "+c.Name)
		}
	}
	for i := range d.now.Columns {
		if c := &d.now.Columns[i]; was[c.Num] != nil {
			d.column(was[c.Num], c)
		}
	}
	for i := range d.now.Columns {
		if c := &d.now.Columns[i]; was[c.Num] == nil {
			d.added(c)
		}
	}
}

func (d *deriver) column(was *chunker.Column, is *Column) {
	if was.Name != is.Name {
		d.altered = true
		d.alter("RENAME COLUMN "+pg.Ident(was.Name)+" TO "+pg.Ident(is.Name), "RENAME COLUMN "+was.Name+" to "+is.Name)
	}
	name := "ALTER COLUMN " + pg.Ident(is.Name)
	if was.Type != is.Type || was.OID != is.OID {
		d.retyped(was, is)
		d.alter(name+" TYPE "+is.Type+collation(is.Collation)+d.using(was, is), "ALTER COLUMN TYPE "+is.Name)
	}
	switch {
	case d.now.Part: // each table of a tree may have its own
	case was.NotNull && !is.NotNull:
		d.alter(name+" DROP NOT NULL", "DROP NOT NULL "+is.Name)
	case is.NotNull && !was.NotNull:
		d.alter(name+" SET NOT NULL", "SET NOT NULL "+is.Name)
	}
	if was.Identity != is.Identity && !d.c.Moved { // from 17 on a partition has its root's
		d.identity(was, is)
	}
}

// identity: until the fence the target's take values from outside, whichever kind the source's are.
func (d *deriver) identity(was *chunker.Column, is *Column) {
	name := "ALTER COLUMN " + pg.Ident(is.Name)
	switch {
	case d.now.Tree || was.Identity == "" && is.Sequence == nil:
		d.refuse("ALTER COLUMN IDENTITY %s", is.Name)
	case was.Identity == "":
		d.alter(name+" DROP DEFAULT, "+name+" ADD GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME "+is.Sequence.Qualified()+" "+is.Sequence.Options+")", "ADD GENERATED AS IDENTITY "+is.Name)
	case is.Identity == "":
		d.alter(name+" DROP IDENTITY", "DROP IDENTITY "+is.Name)
	default:
		d.c.Kinds = append(d.c.Kinds, "SET GENERATED "+is.Name)
	}
}

// firstUserOID is where OIDs begin that a database gives to what its users make (FirstNormalObjectId).
const firstUserOID = 16384

// retyped lets through what casts of the server's own do, by which both sides come to the same values.
func (d *deriver) retyped(was *chunker.Column, is *Column) {
	d.altered = true
	switch {
	case d.now.Part && (was.OID >= firstUserOID || is.OID >= firstUserOID):
		d.refuse("ALTER COLUMN TYPE %s from %s to %s, of which one is not the server's own, in a tree of tables,", is.Name, was.Type, is.Type)
	case is.Odd:
		d.refuse("ALTER COLUMN TYPE %s to %s", is.Name, is.Type)
	case slices.Contains(d.plan.Key, was.Name):
		d.refuse("ALTER COLUMN TYPE %s, which is part of the key,", is.Name)
	}
	if was.OID >= firstUserOID || is.OID >= firstUserOID || d.rewrite != nil && d.rewrite.Using != nil {
		d.c.Casts = append(d.c.Casts, Cast{was.Name, is.Name, d.rewrite != nil})
	}
	if d.rewrite != nil {
		d.c.Settings = d.rewrite.Settings
	}
}

// using is the cast of a column by itself, to the type that it gets, where the statement had one.
func (d *deriver) using(was *chunker.Column, is *Column) string {
	if d.rewrite == nil || d.rewrite.Using == nil {
		return ""
	}
	u := d.rewrite.Using
	if u.Column != was.Name || u.Type != is.Type && !strings.HasPrefix(is.Type, u.Type+"(") {
		d.refuse("ALTER COLUMN TYPE %s, with USING,", is.Name)
	}
	return " USING " + pg.Ident(is.Name) + "::" + u.Type
}

func (d *deriver) added(c *Column) {
	d.altered = true
	sql := "ADD COLUMN " + pg.Ident(c.Name) + " " + c.Type + collation(c.Collation)
	switch {
	case c.Odd:
		d.refuse("ADD COLUMN %s %s", c.Name, c.Type)
	case c.Identity != "":
		d.refuse("ADD COLUMN %s as an identity", c.Name)
	case d.computed(c.Name):
		d.refuse("DROP EXPRESSION %s", c.Name)
	case d.rewrite != nil:
		d.refuse("ADD COLUMN %s with a default that was computed row by row", c.Name)
	case c.Filled && c.Fill == nil:
		d.refuse("ADD COLUMN %s with a default that cannot be told", c.Name)
	case c.Filled:
		sql += " DEFAULT " + pg.Literal(*c.Fill) + "::" + c.Type
	}
	if c.NotNull {
		sql += " NOT NULL"
	}
	d.alter(sql, "ADD COLUMN "+c.Name+" "+c.Type)
}

// computed reports whether the plan has a generated column of that name.
func (d *deriver) computed(name string) bool {
	for _, spelled := range []string{name, pg.Ident(name)} {
		if strings.Contains(", "+d.plan.Generated, ", "+spelled+" ") {
			return true
		}
	}
	return false
}

func collation(name *string) string {
	if name == nil {
		return ""
	}
	return " COLLATE " + *name
}

// SQL is the column as ADD COLUMN takes it.
func (c *Computed) SQL() string {
	sql := pg.Ident(c.Name) + " " + c.Type + collation(c.Collation) + " GENERATED ALWAYS AS (" + c.Expression + ")"
	if c.Stored {
		sql += " STORED"
	} else {
		sql += " VIRTUAL"
	}
	if c.NotNull {
		sql += " NOT NULL"
	}
	return sql
}

// mayAlter is about what stands around columns.
func (d *deriver) mayAlter() {
	kinds := strings.Join(d.c.Kinds, ", ")
	switch {
	case d.now.Tree && (!d.now.Part || d.now.Parent == nil), d.now.Part && d.c.Moved:
		d.refuse("%s, in a tree of tables,", kinds)
	case d.now.Part && d.c.Computed:
		d.refuse("ALTER TABLE of generated columns, in a tree of tables,")
	case d.plan.Text:
		d.refuse("%s, beside a column of a type that binary does not carry,", kinds)
	}
}

// rewritten refuses a rewrite that is not that of a plain change of type.
func (d *deriver) rewritten() {
	if d.rewrite == nil {
		return
	}
	typed := slices.ContainsFunc(d.c.Kinds, func(k string) bool { return strings.HasPrefix(k, "ALTER COLUMN TYPE") })
	switch {
	case d.c.Computed && d.rewrite.Reason == defaultRewrite: // a stored one was added
	case d.rewrite.Reason != columnRewrite:
		d.refuse("a statement that computed its rows anew")
	case !d.rewrite.Plain:
		d.refuse("ALTER COLUMN TYPE, with USING or within something else,")
	case !typed:
		d.refuse("ALTER COLUMN TYPE ... with the type as it was")
	}
}

func (e *Enum) String() string { return e.Schema + "." + e.Name }

// Add gives the statements that add to an enum with the labels have what e has besides; none where e
// lacks one of them, or has them in another order.
func (e *Enum) Add(have []string) (adds []string) {
	kept := slices.DeleteFunc(slices.Clone(e.Labels), func(l string) bool { return !slices.Contains(have, l) })
	if !slices.Equal(kept, have) {
		return nil
	}
	for i, l := range e.Labels {
		if slices.Contains(have, l) {
			continue
		}
		sql := "ALTER TYPE " + pg.Ident(e.Schema, e.Name) + " ADD VALUE " + pg.Literal(l)
		switch {
		case i > 0:
			sql += " AFTER " + pg.Literal(e.Labels[i-1])
		case len(have) > 0:
			sql += " BEFORE " + pg.Literal(have[0])
		}
		adds = append(adds, sql)
	}
	return adds
}
