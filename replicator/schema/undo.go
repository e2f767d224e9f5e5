package schema

import (
	"regexp"
	"slices"
	"strings"
)

// again undoes a step that may simply run once more.
const again = "SELECT 1;"

// undo is the SQL that takes an entry of Finish back, for a catch-up that is given up: triggers,
// rules and policies go again, because applying goes on without them. "" is an entry that may stay.
func undo(e *Entry) string {
	said := statements(e.SQL)
	if len(said) == 0 {
		return ""
	}
	first := said[0]
	switch e.Type {
	case "TRIGGER":
		return undoTrigger(first)
	case "RULE":
		return dropOn("RULE", first, "TO")
	case "POLICY":
		return dropOn("POLICY", first, "ON")
	case "ROW SECURITY":
		return strings.Replace(first, " ENABLE ROW LEVEL SECURITY", " DISABLE ROW LEVEL SECURITY", 1) + ";"
	case "EVENT TRIGGER":
		return "DROP EVENT TRIGGER IF EXISTS " + name(first, "TRIGGER") + ";"
	case "INDEX":
		return dropIndex(first)
	case "FK CONSTRAINT", "CHECK CONSTRAINT":
		return undoConstraint(first)
	case "ACL":
		return undoRevoke(said)
	}
	return ""
}

// Undoing is the steps of w but Finish, each with what takes it back, and gives those of Finish the same.
// It is for the plan of what was made late: taken back it is gone, and can be made anew as it is then.
// Schemas stay, others may be in them.
func (w *Work) Undoing() []Step {
	lists := [][]Step{w.Pre}
	for _, byTable := range []map[int][]Step{w.Table, w.Unique, w.Late} {
		for _, steps := range byTable {
			lists = append(lists, steps)
		}
	}
	steps := slices.Concat(append(lists, w.Constraints, w.Foreign, w.Validate)...)
	steps = slices.DeleteFunc(steps, func(s Step) bool { return s.Kind == "SCHEMA" })
	undoing(steps)
	undoing(w.Finish)
	return steps
}

func undoing(steps []Step) {
	for i := range steps {
		switch s := &steps[i]; {
		case s.Kind == "TABLE", s.Kind == "SEQUENCE":
			s.Undo = "DROP " + s.Kind + " IF EXISTS " + name(statements(s.SQL)[0], s.Kind) + " CASCADE;"
		case s.Undo == "":
			s.Undo = again // it goes with its table
		}
	}
}

// undoTrigger drops a trigger; one that only has another state on a partition than above it gets
// the state back that it is made with.
func undoTrigger(first string) string {
	if strings.HasPrefix(first, "CREATE ") {
		return dropOn("TRIGGER", first, "ON")
	}
	words := tokens(first)
	for i, w := range words {
		if w == "TRIGGER" && i > 2 {
			return "ALTER TABLE " + words[2] + " ENABLE TRIGGER " + words[i+1] + ";"
		}
	}
	return ""
}

// dropOn drops what is made by CREATE kind name ... preposition table.
func dropOn(kind, sql, preposition string) string {
	words := tokens(sql)
	at := -1
	for i, w := range words[:len(words)-1] {
		switch {
		case at < 0 && w == kind:
			at = i + 1
		case at >= 0 && i > at && w == preposition:
			return "DROP " + kind + " IF EXISTS " + words[at] + " ON " + words[i+1] + ";"
		}
	}
	return ""
}

func dropIndex(sql string) string {
	words := tokens(sql)
	for i, w := range words[:len(words)-1] {
		if w != "ON" || i == 0 {
			continue
		}
		table := words[i+1]
		return "DROP INDEX IF EXISTS " + table[:schemaLength(table)] + words[i-1] + ";"
	}
	return ""
}

func undoConstraint(sql string) string {
	before, after, ok := strings.Cut(sql, "ADD CONSTRAINT ")
	if !ok {
		return ""
	}
	return strings.TrimSpace(before) + " DROP CONSTRAINT IF EXISTS " + tokens(after)[0] + ";"
}

var revoked = regexp.MustCompile(`^REVOKE ALL ON (FUNCTION|PROCEDURE|ROUTINE) (.*) FROM PUBLIC$`)

// undoRevoke lets everybody run a function again, as before the grants.
func undoRevoke(said []string) string {
	for _, s := range said {
		if m := revoked.FindStringSubmatch(s); m != nil {
			return "GRANT EXECUTE ON " + m[1] + " " + m[2] + " TO PUBLIC;"
		}
	}
	return again // nothing was taken; the same grants may come again
}

// name is the word after a keyword.
func name(sql, keyword string) string {
	words := tokens(sql)
	for i, w := range words[:len(words)-1] {
		if w == keyword {
			return words[i+1]
		}
	}
	return ""
}

// tokens cuts SQL at blanks outside of quotes: names keep their quotes and dots.
func tokens(sql string) []string {
	var list []string
	var l lexer
	start := -1
	for i := 0; i < len(sql); {
		blank := l.top() && strings.IndexByte(" \t\r\n", sql[i]) >= 0
		if blank && start >= 0 {
			list = append(list, sql[start:i])
			start = -1
		}
		if !blank && start < 0 {
			start = i
		}
		i += l.step(sql, i)
	}
	if start >= 0 {
		list = append(list, sql[start:])
	}
	return list
}

// schemaLength is the length of a qualified name's schema with its dot.
func schemaLength(qualified string) int {
	var l lexer
	for i := 0; i < len(qualified); {
		if l.top() && qualified[i] == '.' {
			return i + 1
		}
		i += l.step(qualified, i)
	}
	return 0
}
