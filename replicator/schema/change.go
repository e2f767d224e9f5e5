package schema

import (
	"fmt"
	"strings"

	"replicator/chunker"
)

// Change is what a statement has made of a table since it was planned.
type Change struct {
	Kind  string // the statement, such as ADD COLUMN
	Table string // as the plan has it
	What  string // what it was done to, for people: names and types, no values
	// Rows says that the job must not go on: changes cannot be applied to the planned table any more, rows
	// that are not in the stream differ, or the target would have rows that its source no longer takes.
	Rows bool
}

func (c Change) String() string {
	s := c.Kind + " on table " + c.Table
	if c.What != "" {
		s += ": " + c.What
	}
	return s
}

// Changes tells what has become of a table. now is it as it is, by its OID, or nil if that is gone;
// again is a table of the same name then, if there is one.
func Changes(plan, now, again *chunker.Table) []Change {
	d := differ{plan: plan, now: now}
	switch {
	case now == nil && again == nil:
		d.add("DROP TABLE", "", true)
	case now == nil:
		d.add("DROP TABLE", "and another one was made under its name", true)
	default:
		d.names()
		d.columns()
		d.identity()
		d.place()
		d.rewrite()
	}
	return d.list
}

// differ holds a table as it was planned against what it is.
type differ struct {
	plan, now *chunker.Table
	list      []Change
}

func (d *differ) add(kind, what string, rows bool) {
	d.list = append(d.list, Change{Kind: kind, Table: d.plan.String(), What: what, Rows: rows})
}

func (d *differ) names() {
	if d.plan.Name != d.now.Name {
		d.add("RENAME TO", "it is now called "+d.now.String(), true)
	} else if d.plan.Schema != d.now.Schema {
		d.add("SET SCHEMA", "it is now called "+d.now.String(), true)
	}
	switch {
	case d.now.Unlogged && !d.plan.Unlogged:
		d.add("SET UNLOGGED", "its changes are no longer in the WAL", true)
	case d.plan.Unlogged && !d.now.Unlogged:
		d.add("SET LOGGED", "", false)
	}
}

// columns pairs columns by their numbers, which a renamed one keeps. A plan of an older version does
// not know them: then by name.
func (d *differ) columns() {
	n := len(d.list)
	byNum, byName := map[int16]*chunker.Column{}, map[string]*chunker.Column{}
	for i := range d.now.Columns {
		c := &d.now.Columns[i]
		byNum[c.Num], byName[c.Name] = c, c
	}
	kept := map[string]bool{}
	for i := range d.plan.Columns {
		was := &d.plan.Columns[i]
		is := byName[was.Name]
		if was.Num != 0 {
			is = byNum[was.Num]
		}
		if is == nil {
			d.gone(was, byName[was.Name])
			continue
		}
		kept[is.Name] = true
		d.column(was, is)
	}
	for i := range d.now.Columns {
		if c := &d.now.Columns[i]; !kept[c.Name] && d.plan.Column(c.Name) < 0 {
			d.add("ADD COLUMN", c.Name+" "+c.Type, true)
		}
	}
	d.generated()
	for i := range d.list[n:] {
		if len(d.plan.Columns) <= mostListed && len(d.now.Columns) <= mostListed {
			d.list[n+i].What += fmt.Sprintf("; was (%s), is (%s)", Columns(d.plan), Columns(d.now))
		}
	}
}

// mostListed is how many columns a table may have for all of them to be listed in one line.
const mostListed = 40

func (d *differ) gone(was, again *chunker.Column) {
	if again == nil {
		d.add("DROP COLUMN", was.Name, true)
		return
	}
	d.add("DROP COLUMN", was.Name+", and another one was added under its name", true)
}

func (d *differ) column(was, is *chunker.Column) {
	if was.Name != is.Name {
		d.add("RENAME COLUMN", was.Name+" to "+is.Name, true)
	}
	if was.Type != is.Type || was.OID != is.OID {
		d.add("ALTER COLUMN TYPE", fmt.Sprintf("%s from %s to %s", was.Name, was.Type, is.Type), true)
	}
	switch {
	case was.NotNull && !is.NotNull:
		d.add("ALTER COLUMN DROP NOT NULL", was.Name, true)
	case is.NotNull && !was.NotNull:
		d.add("ALTER COLUMN SET NOT NULL", was.Name, true)
	}
	if was.Identity != is.Identity {
		d.add("ALTER COLUMN IDENTITY", was.Name, true)
	}
}

func (d *differ) generated() {
	if d.known() && d.plan.Generated != d.now.Generated {
		d.add("ALTER TABLE of generated columns", "", true)
	}
}

// known reports whether the plan has the marks.
func (d *differ) known() bool { return d.plan.File != 0 }

// identity is about how UPDATE and DELETE name their row. A full one has the key in it.
func (d *differ) identity() {
	was, is := d.plan.Identity, d.now.Identity
	switch {
	case was == chunker.IdentityNone || d.now.Unlogged: // late, whatever it has now
	case is == chunker.IdentityNone && was == chunker.IdentityKey:
		d.add("REPLICA IDENTITY", "it has no key any more: UPDATE and DELETE fail on the source until it has one, or REPLICA IDENTITY FULL", true)
	case was == chunker.IdentityFull && is == chunker.IdentityNone && d.now.NotFull:
		d.add("REPLICA IDENTITY", "a full one with a generated column: UPDATE and DELETE fail on the source until it has a key, or is not published", true)
	case was == chunker.IdentityFull && is != was:
		d.add("REPLICA IDENTITY", "it is no longer full", true)
	case was == is && !sameNames(d.plan.Key, d.now.Key) && !d.renamed(d.plan.Key):
		d.add("REPLICA IDENTITY", fmt.Sprintf("the key was (%s), is (%s)", strings.Join(d.plan.Key, ", "), strings.Join(d.now.Key, ", ")), true)
	}
}

// renamed reports whether a column of that name is now called otherwise: that is told already.
func (d *differ) renamed(names []string) bool {
	for _, name := range names {
		if d.now.Column(name) < 0 {
			return true
		}
	}
	return false
}

func sameNames(a, b []string) bool { return strings.Join(a, "\x00") == strings.Join(b, "\x00") }

// place is where the table stands in a tree.
func (d *differ) place() {
	was, is := strings.TrimSuffix(d.plan.Above, detachingMark), strings.TrimSuffix(d.now.Above, detachingMark)
	if d.known() && is != d.now.Above {
		d.add("DETACH PARTITION CONCURRENTLY", "from "+Parent(d.now)+", which is not finished", false)
	}
	if !d.known() || was == is {
		return
	}
	wasPart, isPart := strings.Contains(was, boundMark), strings.Contains(is, boundMark)
	switch {
	case wasPart && isPart && Parent(d.plan) == Parent(d.now):
		d.add("ATTACH PARTITION", "to "+Parent(d.now)+" with another bound, or that to another table above it", true)
	case isPart:
		d.add("ATTACH PARTITION", "to "+Parent(d.now), true)
	case wasPart:
		d.add("DETACH PARTITION", "from "+Parent(d.plan), true)
	default:
		d.add("INHERIT", fmt.Sprintf("from (%s), was from (%s)", is, was), true)
	}
}

// Parent is what a table is a partition of, or inherits from.
func Parent(t *chunker.Table) string {
	name, _, _ := strings.Cut(t.Above, boundMark)
	return name
}

// SameTree reports whether what stands above the parent of a table is as it was.
func SameTree(was, is *chunker.Table) bool {
	above := func(t *chunker.Table) string {
		s := strings.TrimSuffix(t.Above, detachingMark)
		return s[strings.LastIndexByte(s, ' ')+1:]
	}
	return Parent(was) != Parent(is) || above(was) == above(is)
}

// boundMark stands between a partition's parent and the digests of its bound and of its tree, see marks.
const boundMark = " bound "

// detachingMark ends the place of a partition that is being detached by CONCURRENTLY.
const detachingMark = " detaching"

// rewrite is a new file together with a new version of a column's row: a column was computed anew, as
// by ALTER COLUMN TYPE ... USING with the type that it had. VACUUM FULL, CLUSTER and TRUNCATE give a
// new file alone.
func (d *differ) rewrite() {
	if len(d.list) == 0 && d.known() && d.plan.File != d.now.File && d.plan.Altered != d.now.Altered {
		d.add("ALTER COLUMN TYPE ... USING", "the table was rewritten and its columns altered, though their types are the same", true)
	}
}

// Columns lists a table's columns and their types.
func Columns(t *chunker.Table) string {
	list := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		list[i] = c.Name + " " + c.Type
	}
	return strings.Join(list, ", ")
}
