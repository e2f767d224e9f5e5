package schema

import (
	"context"
	"fmt"
	"slices"

	"replicator/replicator/pg"
)

// Check is a check constraint that calls a function of the user's. Such a function may read other
// tables, whose rows are there at another time on the target, or names without a schema, which our
// sessions do not find. While rows are copied and changes applied the constraint is away: the
// source has checked them.
type Check struct {
	Relation
	Constraint uint32 `json:"constraint"` // OID
	Called     string `json:"called"`
	Definition string `json:"definition"`
	Inherited  bool   `json:"inherited,omitempty"` // a table above has it too
	Validated  bool   `json:"validated"`
}

// usersFunction is the condition that a constraint k calls what somebody wrote in SQL or in a
// procedural language; functions in C and those of extensions are taken to mind their own business.
const usersFunction = `EXISTS (SELECT FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_language l ON l.oid = p.prolang
	WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid AND d.refclassid = 'pg_proc'::regclass
		AND p.oid >= 16384 AND l.lanname <> ALL ('{c,internal}') AND NOT EXISTS (SELECT FROM pg_depend x
			WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e'))`

// readChecks lists them from the top of inheritance trees downwards.
func (f *Facts) readChecks(ctx context.Context, conn *pg.Conn, oids string) error {
	rows, err := conn.Query(ctx, `WITH RECURSIVE below AS (
			SELECT inhparent AS rel, 0 AS depth FROM pg_inherits
			WHERE inhparent NOT IN (SELECT inhrelid FROM pg_inherits)
			UNION
			SELECT i.inhrelid, b.depth + 1 FROM below b JOIN pg_inherits i ON i.inhparent = b.rel
		)
		SELECT c.oid, n.nspname, c.relname, r.rolname, k.oid, k.conname, pg_get_constraintdef(k.oid), k.coninhcount > 0, k.convalidated
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
			JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
		WHERE k.contype = 'c' AND k.conislocal AND c.relkind IN ('r', 'p') AND c.oid = ANY ($1::oid[]) AND `+usersFunction+`
		ORDER BY COALESCE((SELECT max(depth) FROM below WHERE rel = c.oid), 0), n.nspname, c.relname, k.conname`, oids)
	if err != nil {
		return fmt.Errorf("list checks: %w", err)
	}
	for _, r := range rows {
		f.Checks = append(f.Checks, Check{
			Relation: relation(r), Constraint: oid(r[4]), Called: r[5], Definition: r[6], Inherited: r[7] == "t", Validated: r[8] == "t",
		})
	}
	f.SearchPath, err = conn.Value(ctx, usersPath)
	return err
}

// unproved are the ways in which the function of a check may fail on rows that the source holds:
// it was changed since, or does not find what it names. The constraint then stays NOT VALID.
var unproved = []string{"23514", "42P01", "42883", "42703", "42704", "3F000", "42501", "P0001", "P0002"}

// checks takes such constraints away behind Pre and brings them back in Finish, proved if they can be.
func (p *planner) checks() {
	for i := range p.facts.Checks {
		c := &p.facts.Checks[i]
		if !p.dumped[c.OID] || !c.Validated {
			continue // one that is not valid is an entry of its own, and waits
		}
		on, name := "ALTER TABLE "+c.Qualified(), pg.Ident(c.Called)
		step := func(what, sql string) Step {
			return Step{
				ID: p.id(what, c.String()+" "+c.Called), Kind: "CHECK CONSTRAINT", Name: c.String() + "." + c.Called,
				Table: c.String(), Owner: c.Owner, SQL: sql,
			}
		}
		drop := step("DROP CHECK", on+" DROP CONSTRAINT IF EXISTS "+name+";")
		add := step("ADD CHECK", on+" ADD CONSTRAINT "+name+" "+c.Definition+" NOT VALID;"+p.said[c.tag()])
		add.Undo = drop.SQL
		if c.Inherited {
			add.Undo, add.Tolerate = again, []string{duplicateObject}
		}
		validate := step("VALIDATE CHECK", on+" VALIDATE CONSTRAINT "+name+";")
		validate.Undo, validate.Tolerate = again, unproved
		validate.Settings = p.userPath()
		p.lists[inPre] = append(p.lists[inPre], drop)
		p.lists[inFinish] = append(p.lists[inFinish], add, validate)
		p.notes = append(p.notes, "check "+c.Called+" of "+c.String()+" calls a function: it is away until the window")
	}
}

// check places one that pg_dump adds by itself: because its function needs the table, or because it is not
// valid. Rows that the source holds may break that one, of a table or of a domain, until all are written.
func (p *planner) check(e *Entry) {
	k := p.facts.Constraints[e.OID]
	switch {
	case slices.ContainsFunc(p.facts.Checks, func(c Check) bool { return c.Validated && c.Constraint == e.OID }):
		p.rank[e.ID] = inFinish // checks brings it
	case k.Validated:
		p.list(e, p.after(e, inConstraints))
	default:
		p.list(e, p.after(e, inFinish))
		s := &p.lists[p.rank[e.ID]][p.within[e.ID]]
		s.Undo = undoConstraint(statements(e.SQL)[0])
		if k.Inherited { // cannot be dropped before the one above
			s.Undo, s.Tolerate = again, append(s.Tolerate, duplicateObject)
		}
	}
}

// tag is what pg_dump calls a comment on the constraint.
func (c *Check) tag() [2]string {
	return [2]string{oneLine.Replace(c.Schema), oneLine.Replace("CONSTRAINT " + pg.Ident(c.Called) + " ON " + pg.Ident(c.Name))}
}

// userPath lets functions find what they name without a schema. It is for statements whose
// expressions are parsed already: in others it could change what a name means.
func (p *planner) userPath() map[string]string {
	return map[string]string{"search_path": p.facts.SearchPath}
}
