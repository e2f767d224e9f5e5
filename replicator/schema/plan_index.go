package schema

import (
	"errors"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// index places an index of its own, with what pg_dump says along with it (CLUSTER ON, REPLICA
// IDENTITY, statistics targets of expressions).
func (p *planner) index(e *Entry) {
	ix, ordinary := p.facts.Indexes[e.OID]
	t := p.tables[ix.Table]
	switch {
	case !ordinary && p.onMaterializedView(e):
		p.list(e, p.after(e, inRefresh))
	case !ordinary || t == nil:
		p.list(e, p.after(e, inConstraints)) // of a partitioned table
	case p.afterObjects(e, inTable) > inUnique:
		p.list(e, p.afterObjects(e, inTable)) // its expression needs what is made late
	case t.Late():
		p.part(e, inLate, t, p.step(e))
	case ix.Name == t.KeyIndex:
		p.first(e, t, p.step(e))
	case ix.Unique:
		p.part(e, inUnique, t, p.step(e))
	default:
		p.part(e, inTable, t, p.step(e))
	}
}

// afterObjects is after without regard to other indexes: pg_dump makes a partition's index after
// that of the table above, which need not be.
func (p *planner) afterObjects(e *Entry, own rank) rank {
	objects := *e
	objects.Depends = slices.DeleteFunc(slices.Clone(e.Depends), func(id int) bool {
		on := p.entry[id]
		return on != nil && (on.Type == "INDEX" || on.Type == "CONSTRAINT")
	})
	return p.after(&objects, own)
}

func (p *planner) onMaterializedView(e *Entry) bool {
	return slices.ContainsFunc(e.Depends, func(id int) bool {
		on := p.entry[id]
		return on != nil && on.Type == "MATERIALIZED VIEW"
	})
}

// first makes s the first step of its table: the index by which changes find their rows.
func (p *planner) first(e *Entry, t *chunker.Table, s Step) {
	p.part(e, inTable, t, s)
	list := p.byTab[inTable][t.Ordinal]
	last := len(list) - 1
	list[0], list[last] = list[last], list[0]
}

// constraint places a primary key, unique or exclusion constraint, and from 18 on NOT NULL NOT VALID. The
// index of the first two is made by itself, and the constraint takes it over once all rows are consistent.
func (p *planner) constraint(e *Entry) error {
	k, known := p.facts.Constraints[e.OID]
	t := p.tables[k.Table]
	switch {
	case k.Kind == "n":
		p.check(e)
	case !known || t == nil: // of a partitioned table, or of one that is not in the plan
		p.list(e, p.after(e, inConstraints))
	case t.Late():
		p.part(e, inLate, t, p.step(e))
	case k.Kind == "x" || (k.Kind == "p" || k.Kind == "u") && k.Definition == "":
		p.part(e, inUnique, t, p.step(e)) // exclusion, also behind WITHOUT OVERLAPS: no index can be taken over
	case k.Definition == "":
		p.list(e, p.after(e, inConstraints))
	default:
		return p.usingIndex(e, t, k)
	}
	return nil
}

// usingIndex splits a constraint into its index and the constraint itself.
func (p *planner) usingIndex(e *Entry, t *chunker.Table, k Constraint) error {
	said := statements(e.SQL)
	if len(said) == 0 || !strings.Contains(said[0], "ADD CONSTRAINT") {
		return errors.New("its first statement does not add a constraint")
	}
	index := Step{
		ID: p.id("CONSTRAINT INDEX", e.Schema+"."+e.Name), Kind: "INDEX", Name: e.Schema + "." + k.Name,
		Owner: runner(e), SQL: k.Definition + ";", Settings: p.settings(e), Strict: k.Deferrable,
	}
	if k.Name == t.KeyIndex {
		index.Kind = KindKeyIndex
		p.first(e, t, index)
	} else {
		p.part(e, inUnique, t, index)
	}
	said[0] = takeOver(t, k)
	s := p.step(e)
	s.Table, s.SQL = t.String(), strings.Join(said, ";\n")+";"
	r := p.after(e, inConstraints)
	p.lists[r] = append(p.lists[r], s)
	p.rank[e.ID] = r
	return nil
}

func takeOver(t *chunker.Table, k Constraint) string {
	kind := "UNIQUE"
	if k.Kind == "p" {
		kind = "PRIMARY KEY"
	}
	sql := "ALTER TABLE ONLY " + t.Qualified() + "\n    ADD CONSTRAINT " + pg.Ident(k.Name) + " " + kind +
		" USING INDEX " + pg.Ident(k.Name)
	if k.Deferrable {
		sql += " DEFERRABLE"
	}
	if k.Deferred {
		sql += " INITIALLY DEFERRED"
	}
	return sql
}

// orphans is what a foreign key meets whose triggers were off for a while on the source, or are off: rows there
// break it, and nobody looks again at what counts as valid. It is named then, and stays NOT VALID if it can.
const orphans = "23503"

// foreignKey places a foreign key: added for new rows first, validated later. Those that touch a
// late table wait for its rows.
func (p *planner) foreignKey(e *Entry) error {
	k, known := p.facts.Constraints[e.OID]
	if !known {
		return errNotFound
	}
	t := p.tables[k.Table]
	r := p.after(e, inForeign)
	if p.waits(k.Table) || p.waits(k.Refers) {
		r = max(r, inFinish)
	}
	if t == nil || p.facts.Partitioned[k.Refers] != "" {
		p.list(e, r, orphans) // NOT VALID is not for partitioned tables before 18
		return nil
	}
	p.list(e, r)
	s := &p.lists[r][p.within[e.ID]]
	s.Table = t.String()
	if !k.Validated {
		return nil
	}
	said := statements(s.SQL)
	said[0] += " NOT VALID"
	s.SQL = strings.Join(said, ";\n") + ";"
	validate := Step{
		ID: p.id("VALIDATE", s.Name), Kind: KindValidate, Name: s.Name, Table: s.Table, Owner: s.Owner,
		SQL:  "ALTER TABLE ONLY " + t.Qualified() + " VALIDATE CONSTRAINT " + pg.Ident(k.Name) + ";",
		Undo: again, Tolerate: []string{orphans},
	}
	after := max(r, inValidate)
	p.lists[after] = append(p.lists[after], validate)
	return nil
}

// Scanning parts the foreign keys of Work.Foreign: those that are added without a look at any row, and the
// others, behind which comes what goes with any of them. Each list keeps its order.
func Scanning(foreign []Step) (quick, scanning []Step) {
	for _, s := range foreign {
		if s.Kind == "FK CONSTRAINT" && !slices.Contains(s.Tolerate, orphans) {
			quick = append(quick, s)
		} else {
			scanning = append(scanning, s)
		}
	}
	return quick, scanning
}

// waits reports whether rows of a table are missing until the fence.
func (p *planner) waits(table uint32) bool {
	t := p.tables[table]
	return p.above[table] || t != nil && t.Late()
}
