package schema

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"replicator/replicator/pg"
)

// own are the kinds that our own role makes: to make them is a right on the database or on the
// server, which the owner of the result need not have. Ownership is given as pg_dump says.
var own = []string{
	"SCHEMA", "EXTENSION", "CAST", "TRANSFORM", "ACCESS METHOD", "PROCEDURAL LANGUAGE", "EVENT TRIGGER",
	"FOREIGN DATA WRAPPER", "SERVER", "OPERATOR CLASS", "OPERATOR FAMILY", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE",
}

// runner is the role that runs an entry. Nobody becomes pg_database_owner.
func runner(e *Entry) string {
	if slices.Contains(own, e.Type) || e.Owner == "pg_database_owner" {
		return ""
	}
	return e.Owner
}

// object places what pg_dump has before the data.
func (p *planner) object(e *Entry) {
	var tolerate []string
	switch {
	case e.Type == "SCHEMA" && e.Name == "public":
		tolerate = notOurs // every database has one, and it may not be ours
	}
	if strings.TrimSpace(e.SQL) == "" {
		p.rank[e.ID] = inPre // a header alone, such as that of public
	} else {
		r := p.after(e, inPre)
		p.list(e, r, tolerate...)
		if typ := p.facts.IdentityTypes[e.OID]; typ != "" && e.Type == "SEQUENCE" {
			p.lists[r][p.within[e.ID]].SQL += "\n\n" + typ
		}
	}
	p.lists[inPre] = append(p.lists[inPre], p.early[e.ID]...)
	delete(p.early, e.ID)
}

// schemas makes those that a dump of chosen tables leaves out. In the plan of tables that were made
// later the step is one that has run.
func (p *planner) schemas(entries []Entry) {
	have := map[string]bool{"public": true}
	for i := range entries {
		if entries[i].Type == "SCHEMA" {
			have[entries[i].Name] = true
		}
	}
	for i := range entries {
		name := entries[i].Schema
		if have[name] || entries[i].Type != "TABLE" {
			continue
		}
		have[name] = true
		sql := "CREATE SCHEMA IF NOT EXISTS " + pg.Ident(name) + ";"
		if known, ok := p.facts.Schemas[name]; ok { // rights first: they are the next owner's then
			sql += "\n" + known.Rights + "ALTER SCHEMA " + pg.Ident(name) + " OWNER TO " + pg.Ident(known.Owner) + ";"
		}
		p.lists[inPre] = append(p.lists[inPre], Step{ID: p.id("SCHEMA", name), Kind: "SCHEMA", Name: name, SQL: sql})
	}
}

// attach places a partition under its parent: while both are empty, and so without a look at rows.
// Where only the partition is dumped the parent stands with all its indexes, and would make them
// on the partition a second time: then the partition comes with its own.
func (p *planner) attach(e *Entry) {
	tables, depth := 0, 0
	for _, id := range e.Depends {
		if on := p.entry[id]; on != nil && on.Type == "TABLE" {
			tables++
			depth = max(depth, p.tablesAbove(on.OID))
		}
	}
	if tables < 2 {
		p.list(e, p.after(e, inFinish))
		return
	}
	p.list(e, p.after(e, inPre))
	if p.rank[e.ID] == inPre {
		p.depth[p.lists[inPre][p.within[e.ID]].ID] = depth
	}
}

// tablesAbove counts those above a partition.
func (p *planner) tablesAbove(table uint32) (n int) {
	for above := p.facts.Parents[table]; above != 0; above = p.facts.Parents[above] {
		n++
	}
	return n
}

// fromTheTop puts the partitions of Pre in their places at its end, from the top of each tree downwards: from 17
// on a partition takes its identity columns from the table above as it is attached, and hands them to none below.
func (p *planner) fromTheTop() {
	slices.SortStableFunc(p.lists[inPre], func(a, b Step) int { return cmp.Compare(p.depth[a.ID], p.depth[b.ID]) })
}

// attachIndex places an index under that of the table above, behind its table. Where only the partition is
// dumped that is attached at the window, and takes its indexes along: then there is nothing left to do.
func (p *planner) attachIndex(e *Entry) {
	indexes := 0
	for _, id := range e.Depends {
		if on := p.entry[id]; on != nil && (on.Type == "INDEX" || on.Type == "CONSTRAINT") {
			indexes++
		}
	}
	if indexes < 2 {
		p.list(e, p.after(e, inFinish))
		return
	}
	p.list(e, p.after(e, inConstraints))
}

var onSelect = regexp.MustCompile(`^CREATE (OR REPLACE )?RULE "_RETURN" AS\s+ON SELECT `)

// rule places rules: they wait for the window, but for the views that pg_dump makes late.
func (p *planner) rule(e *Entry) {
	view := strings.HasSuffix(e.Name, " _RETURN")
	switch {
	case strings.HasPrefix(e.SQL, "CREATE OR REPLACE VIEW ") || view && onSelect.MatchString(e.SQL):
		p.list(e, p.after(e, inConstraints))
	case view: // a rule can be given that name, and then not be made with it
		p.list(e, p.after(e, inFinish), "42P17")
	default:
		p.list(e, p.after(e, inFinish))
	}
}

func (p *planner) eventTrigger(e *Entry) {
	p.list(e, inEvents, insufficientPrivilege)
}

// comment places a comment or label behind its object. Where the object is not in the archive it
// belongs to the server or to an extension, and perhaps not to us.
func (p *planner) comment(e *Entry) {
	if _, away := p.said[[2]string{e.Schema, e.Name}]; away && e.Type == "COMMENT" {
		p.said[[2]string{e.Schema, e.Name}] += "\n\n" + e.SQL // comes back with its check
		return
	}
	var tolerate []string
	r, known := inPre, false
	for _, id := range e.Depends {
		if on, ok := p.entry[id]; ok {
			known = known || on.Type != "EXTENSION" && !(on.Type == "SCHEMA" && on.Name == "public")
		}
	}
	if !known {
		tolerate = notOurs
	}
	if e.Type == "SECURITY LABEL" {
		tolerate = []string{insufficientPrivilege, "22023"} // its provider is not loaded
	}
	r = p.after(e, r)
	on := p.objectOf(e)
	if on != nil && on.Type == "FK CONSTRAINT" {
		tolerate = append(tolerate, "42704") // left out, see orphans
	}
	if on != nil && r >= inFinish && p.rank[on.ID] == r {
		s := &p.lists[r][p.within[on.ID]]
		s.SQL += "\n\n" + e.SQL // made and taken back with its object
		p.rank[e.ID] = r
		return
	}
	p.list(e, r, tolerate...)
}
