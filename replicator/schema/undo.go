package schema

import (
	"strings"

	"replicator/replicator/pg"
)

// again undoes a step that may simply run once more.
const again = "SELECT 1"

// undo is the SQL that takes a step of Finish back, so that following can go on after a catch-up that
// did not come to its end: what would fire or refuse our own writes goes, what is merely old is made
// anew next time. "" is for a step that may stay.
func undo(e *Entry) string {
	table, name, _ := cutTag(e)
	on := pg.Ident(e.Schema, table)
	switch e.Type {
	case "TRIGGER":
		return "DROP TRIGGER IF EXISTS " + pg.Ident(name) + " ON " + on
	case "RULE":
		return "DROP RULE IF EXISTS " + pg.Ident(name) + " ON " + on
	case "POLICY":
		return "DROP POLICY IF EXISTS " + pg.Ident(name) + " ON " + on
	case "FK CONSTRAINT", "CHECK CONSTRAINT":
		return "ALTER TABLE " + on + " DROP CONSTRAINT IF EXISTS " + pg.Ident(name)
	case "ROW SECURITY":
		return "ALTER TABLE " + pg.Ident(e.Schema, e.Name) + " DISABLE ROW LEVEL SECURITY"
	case "EVENT TRIGGER":
		return "DROP EVENT TRIGGER IF EXISTS " + pg.Ident(e.Name)
	case "COMMENT", "ACL", "DEFAULT ACL", "SECURITY LABEL":
		return again
	}
	return ""
}

// cutTag takes the table and the name out of a tag such as "orders orders_audit". pg_dump joins
// them by a space, which either may hold as well; the statement that the entry begins with tells.
func cutTag(e *Entry) (table, name string, ok bool) {
	for i := 0; i < len(e.Name); i++ {
		if e.Name[i] != ' ' {
			continue
		}
		table, name = e.Name[:i], e.Name[i+1:]
		if strings.Contains(e.SQL, pg.Ident(table)) && strings.Contains(e.SQL, pg.Ident(name)) {
			return table, name, true
		}
	}
	table, name, ok = strings.Cut(e.Name, " ")
	return table, name, ok
}
