package schema

import (
	"regexp"
	"slices"
	"strings"

	"replicator/replicator/pg"
)

// Grants have three places. Rights on schemas, servers and wrappers follow their object at once:
// owners need them to make what comes next. Rights on functions come last, because checks and
// generated columns run functions as our role while changes are applied. All others come before
// the foreign keys, whose owners may need REFERENCES; default privileges after them, so that they
// change nothing that is made before.

// needed are the kinds whose rights are needed at once.
var needed = []string{"SCHEMA", "SERVER", "FOREIGN SERVER", "FOREIGN DATA WRAPPER"}

// grantsFirst looks for the grants that must not wait: pg_restore prints them at the end.
func (p *planner) grantsFirst(entries []Entry) {
	for i := range entries {
		e := &entries[i]
		if e.Type != "ACL" || !granted(e, needed) {
			continue
		}
		s := p.grantStep(e)
		p.rank[e.ID] = inPre
		if on := p.objectOf(e); on != nil {
			p.early[on.ID] = append(p.early[on.ID], s)
		} else {
			p.lists[inPre] = append(p.lists[inPre], s) // of public, which is there before all
		}
	}
}

// objectOf is the entry that a grant or comment is about, if the archive has it.
func (p *planner) objectOf(e *Entry) *Entry {
	for _, id := range e.Depends {
		if on := p.entry[id]; on != nil && on.Type != "ACL" {
			return on
		}
	}
	return nil
}

func (p *planner) grant(e *Entry) {
	if _, early := p.rank[e.ID]; early {
		return
	}
	r := inGrants
	if granted(e, []string{"FUNCTION", "PROCEDURE", "AGGREGATE"}) {
		r = inFunctions
	}
	r = p.after(e, r)
	s := p.grantStep(e)
	if r >= inFinish {
		s.Undo = undo(e)
	}
	p.lists[r] = append(p.lists[r], s)
	p.rank[e.ID] = r
}

// granted reports whether a grant's tag, such as "TABLE orders", names one of the kinds.
func granted(e *Entry, kinds []string) bool {
	return e.Type == "ACL" && slices.ContainsFunc(kinds, func(kind string) bool {
		return strings.HasPrefix(e.Name, kind+" ")
	})
}

var sessionRole = regexp.MustCompile(`^SET SESSION AUTHORIZATION `)

// grantStep grants as pg_dump does. Where it becomes another grantor by SET SESSION AUTHORIZATION,
// which needs a superuser, SET ROLE does the same and membership is enough.
func (p *planner) grantStep(e *Entry) Step {
	s := p.step(e)
	s.Tolerate = append(s.Tolerate, insufficientPrivilege)
	said := statements(s.SQL)
	for i := range said {
		switch {
		case sessionRole.MatchString(said[i]):
			said[i] = sessionRole.ReplaceAllString(said[i], "SET LOCAL ROLE ")
		case said[i] == "RESET SESSION AUTHORIZATION" && s.Owner == "":
			said[i] = "SET LOCAL ROLE NONE"
		case said[i] == "RESET SESSION AUTHORIZATION":
			said[i] = "SET LOCAL ROLE " + pg.Ident(s.Owner)
		}
	}
	s.SQL = strings.Join(said, ";\n") + ";"
	if strings.Trim(strings.TrimPrefix(e.Name, "SCHEMA "), `"`) == "public" {
		s.SQL = mustOwn + s.SQL
	}
	return s
}

// mustOwn makes an error of what the server only warns about: rights on public that are granted by
// somebody who does not own it, but has some right of his own, are not granted.
const mustOwn = `DO $$ BEGIN
	IF NOT pg_catalog.pg_has_role((SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'public'), 'USAGE') THEN
		RAISE insufficient_privilege;
	END IF;
END $$;
`
