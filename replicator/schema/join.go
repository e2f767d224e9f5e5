package schema

import (
	"slices"

	"replicator/replicator/pg"
)

// behindIndexes are the kinds of steps of the fence that come behind the indexes of partitioned tables.
var behindIndexes = []string{"FK CONSTRAINT", KindValidate, "CHECK CONSTRAINT", "TRIGGER", "RULE", "POLICY", "ROW SECURITY", KindRefresh, "EVENT TRIGGER"}

// Join puts what w has for the fence with what waits for it. w is the plan of what was made since that of
// the others, and one of them may have become a partition of a table of w: its indexes are attached to
// those that w makes, and foreign keys may need them. Given up, it leaves that table before it is dropped.
func (w *Work) Join(waiting []Step) []Step {
	list := slices.Clone(waiting)
	for i := range list {
		switch s := &list[i]; {
		case s.Kind == "INDEX ATTACH":
			s.Undo = again
		case s.Kind == "TABLE ATTACH" && w.makes(attachedTo(s.SQL)):
			s.Undo = undoAttach(s.SQL)
		}
	}
	at := slices.IndexFunc(list, func(s Step) bool { return s.Kind == "INDEX ATTACH" || s.Kind == "FK CONSTRAINT" })
	if at < 0 {
		at = len(list)
	}
	indexes := slices.IndexFunc(w.Finish, func(s Step) bool { return slices.Contains(behindIndexes, s.Kind) })
	if indexes < 0 {
		indexes = len(w.Finish)
	}
	return slices.Concat(list[:at], w.Finish[:indexes], list[at:], w.Finish[indexes:])
}

// makes reports whether w makes a table, by its qualified name as pg_dump quotes it.
func (w *Work) makes(table string) bool {
	return slices.ContainsFunc(w.Pre, func(s Step) bool { return s.Kind == "TABLE" && name(statements(s.SQL)[0], s.Kind) == table })
}

// attachedTo is the parent that ALTER TABLE ONLY parent ATTACH PARTITION names.
func attachedTo(sql string) string { return name(sql, "ONLY") }

// undoAttach detaches a partition, if both tables still stand so.
func undoAttach(sql string) string {
	said := statements(sql)[0]
	parent, leaf := attachedTo(said), name(said, "PARTITION")
	return `DO $undo$ BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = pg_catalog.to_regclass(` + pg.Literal(leaf) + `) AND inhparent = pg_catalog.to_regclass(` + pg.Literal(parent) + `)) THEN
		ALTER TABLE ` + parent + ` DETACH PARTITION ` + leaf + `;
	END IF;
END $undo$;`
}
